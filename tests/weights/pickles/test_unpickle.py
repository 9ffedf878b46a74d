"""The restricted reader: what it reads, and that nothing in a hostile file runs, crashes or takes memory."""

import builtins
import collections
import os
import pickle
import random
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from pickle_opcodes import Calls, named, opcodes, tensor, text

from harness.errors import UserError
from harness.weights import pickles
from harness.weights.pickles import RefusedPickle, unpickle

NETWORK = Path(__file__).parents[2] / "golden" / "edm" / "pkl_edm_ncsnpp_cond_oldlayout.pkl"
PROTOCOLS = pytest.mark.parametrize("protocol", [2, 3, 4, 5])


@PROTOCOLS
def test_plain_containers_come_back_as_they_were(protocol):
    value = {"a": [1, 2.5, True, None, "x", b"y", 2**70], "b": (1, (2,)), "c": {3}, 4: {}}
    assert pickles.loads(pickle.dumps(value, protocol)) == value


def test_ordered_dictionaries_become_dictionaries():
    found = pickles.loads(pickle.dumps(collections.OrderedDict(b=1, a=2)))
    assert type(found) is dict
    assert list(found) == ["b", "a"]


def test_shared_and_cyclic_containers_stay_so():
    shared: list[object] = [1]
    cycle: dict[str, object] = {"one": shared, "two": shared}
    cycle["self"] = cycle
    found = pickles.loads(pickle.dumps(cycle))
    assert found["one"] is found["two"]
    assert found["self"] is found


def test_a_refusal_is_the_users_to_mend_and_names_the_file(tmp_path):
    path = tmp_path / "bad.pkl"
    path.write_bytes(pickle.dumps(Calls(os.system, "true")))
    with pytest.raises(UserError, match=r"bad\.pkl: (posix|nt)\.system is not allowed"):
        pickles.load(path)


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    path = tmp_path / "large.pkl"
    path.write_bytes(b"x" * 100)
    with pytest.raises(RefusedPickle, match="100 bytes, more than the 99"):
        pickles.load(path, largest=99)


# --- hostile files ---------------------------------------------------------------------------------------------------


@PROTOCOLS
@pytest.mark.parametrize(
    ("function", "name"),
    [
        (os.system, r"system"),
        (builtins.eval, r"builtins\.eval"),
        (builtins.exec, r"builtins\.exec"),
        (builtins.getattr, r"builtins\.getattr"),
        (builtins.__import__, r"builtins\.__import__"),
        (os.open, r"open"),
        (torch.load, r"torch\.serialization\.load"),
        (np.load, r"load"),
        (pickle.loads, r"loads"),
    ],
)
def test_a_call_of_anything_else_is_refused_by_name(canary, protocol, function, name):
    hostile = pickle.dumps({"ema": [Calls(function, f"touch {canary}")]}, protocol)
    with pytest.raises(RefusedPickle, match=rf"{name} is not allowed"):
        pickles.loads(hostile)


def test_a_call_inside_the_arguments_of_a_permitted_one_is_refused(canary):
    inner = named("posix", "system") + text(f"touch {canary}") + b"\x85R"
    for permitted in (("torch._utils", "_rebuild_parameter"), ("collections", "OrderedDict")):
        with pytest.raises(RefusedPickle, match=r"posix\.system is not allowed"):
            pickles.loads(opcodes(named(*permitted), inner, b"\x85R"))


def test_a_name_with_dots_does_not_reach_into_permitted_objects():
    hostile = opcodes(text("numpy"), text("ndarray.__class__"), b"\x93")
    with pytest.raises(RefusedPickle, match=r"numpy\.ndarray\.__class__ is not allowed"):
        pickles.loads(hostile)


@pytest.mark.parametrize(
    ("target", "state"),
    [
        (named("torch._utils", "_rebuild_parameter"), {"x": 1}),
        (named("torch._utils", "_rebuild_parameter"), (None, {"_function": 1})),
        (named("collections", "OrderedDict") + b")R", {"keys": 1}),
        (named("collections", "OrderedDict"), (None, {"__init__": 1})),
        (named("torch.nn.modules.container", "ModuleDict"), (None, {"__setstate__": 1})),
        (named("numpy", "ndarray"), {"x": 1}),
    ],
)
def test_a_pickle_cannot_change_what_permitted_names_stand_for(target, state):
    before = {name: vars(unpickle)[name] for name in ("PERMITTED", "Container", "PlainDict")}
    body = pickle.dumps(state, 2)[2:-1]
    with pytest.raises(RefusedPickle):
        pickles.loads(opcodes(target, body, b"b"))
    assert all(vars(unpickle)[name] is value for name, value in before.items())
    assert pickles.loads(pickle.dumps(collections.OrderedDict(a=1))) == {"a": 1}


def test_a_tensor_or_a_number_takes_no_state():
    whole = tensor((1,), (1,))
    number = pickle.dumps(np.float64(3), 4)
    for content in (whole, number):
        with pytest.raises(RefusedPickle, match="no further state"):
            pickles.loads(content[:-1] + b"}b.")


@pytest.mark.parametrize("name", ["collections.OrderedDict", "numpy.ndarray", "torch._utils._rebuild_parameter"])
def test_a_permitted_name_alone_is_no_data(name):
    module, _, attribute = name.rpartition(".")
    with pytest.raises(RefusedPickle, match="a function or a type as a value"):
        pickles.loads(opcodes(named(module, attribute)))


# --- sizes -----------------------------------------------------------------------------------------------------------


def test_many_references_to_one_thing_are_walked_once():
    body = b"]" + b"".join(b"q" + bytes([i]) + b"]h" + bytes([i]) + b"ah" + bytes([i]) + b"a" for i in range(100))
    found = pickles.loads(opcodes(body))
    assert found[0] is found[1]


def test_containers_nested_too_deep_are_refused():
    with pytest.raises(RefusedPickle, match="nested too deep"):
        pickles.loads(opcodes(b"]" * 100_000, b"a" * 99_999))


LISTS = b"]" + b"".join(b"q" + bytes([i]) + b"](h" + bytes([i]) + b"h" + bytes([i]) + b"e" for i in range(60))
"""The same of lists, whose text has 2^60 parts."""


@pytest.mark.parametrize(
    "body",
    [
        named("numpy", "dtype") + LISTS + b"\x89\x88\x87R",
        named("numpy.core.multiarray", "_reconstruct") + named("numpy", "ndarray") + b"K\x00\x85C\x01b\x87R"
        + b"(K\x01" + LISTS + b"\x85" + named("numpy", "dtype") + text("f8") + b"\x89\x88\x87R" + b"\x89C\x00tb",
        named("collections", "OrderedDict") + LISTS + b"\x85R",
    ],
    ids=["type", "shape", "pairs"],
)  # fmt: skip
def test_lists_of_two_of_two_of_two_are_refused_and_not_written_out(body):
    tracemalloc.start()
    with pytest.raises(RefusedPickle):
        pickles.loads(opcodes(body))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


# --- damage ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.9, 0.9999])
def test_a_truncated_file_is_refused(share):
    content = NETWORK.read_bytes()
    with pytest.raises(RefusedPickle):
        pickles.loads(content[: int(share * len(content))])


def test_damaged_files_are_read_or_refused_and_nothing_else(canary):
    value = {"a": np.arange(4.0), "b": collections.OrderedDict(x=[1, (2, {3})]), "c": f"touch {canary}"}
    originals = [pickle.dumps(value, protocol) for protocol in (2, 3, 4)] + [tensor((2, 2), (1, 2))]
    dice = random.Random(0)
    outcomes: collections.Counter[str] = collections.Counter()
    for _ in range(3000):
        content = bytearray(dice.choice(originals))
        for _ in range(dice.randint(1, 4)):
            content[dice.randrange(len(content))] = dice.randrange(256)
        try:
            pickles.loads(bytes(content))
            outcomes["read"] += 1
        except RefusedPickle:
            outcomes["refused"] += 1
    assert outcomes["refused"] > 1000


def test_random_opcodes_are_read_or_refused_and_nothing_else():
    dice = random.Random(1)
    permitted = [named(module, name) for module, name in unpickle.PERMITTED]
    pieces = [*permitted, b"(", b")", b"]", b"}", b"N", b"K\x01", b"\x85", b"\x86", b"\x87", b"R", b"\x81", b"b", b"a", b"s",
              b"t", b"u", b"e", b"0", b"2", b"\x8f", b"\x90", b"q\x00", b"h\x00", b"C\x01b", text("f8"), text("<")]  # fmt: skip
    for _ in range(3000):
        try:
            pickles.loads(opcodes(*dice.choices(pieces, k=dice.randint(1, 15))))
        except RefusedPickle:
            continue
    assert pickles.loads(pickle.dumps(collections.OrderedDict(a=np.ones(2)), 4))["a"].tolist() == [1.0, 1.0]


@pytest.mark.parametrize(("module", "name"), unpickle.PERMITTED)
def test_what_stands_for_a_permitted_name_is_the_harness_own(module, name):
    stand_in = unpickle.PERMITTED[module, name]
    kind = stand_in if isinstance(stand_in, type) else type(stand_in)
    assert kind.__module__.startswith("harness.weights.pickles.")


def test_the_old_and_the_new_names_of_modules_are_the_same_names():
    assert pickles.loads(opcodes(named("__builtin__", "set"), b"](K\x01K\x02e\x85R")) == {1, 2}
    dtype = named("numpy", "dtype") + text("u1") + b"\x89\x88\x87R"
    filled = named("numpy._core.numeric", "_frombuffer") + b"(C\x02ab" + dtype + b"K\x02\x85" + text("C") + b"tR"
    found = pickles.loads(opcodes(filled))
    assert isinstance(found, np.ndarray)
    assert found.tolist() == [97, 98]


def test_a_reference_to_another_file_is_refused():
    with pytest.raises(RefusedPickle, match="the opcode BINPERSID is not allowed"):
        pickles.loads(opcodes(text("other"), b"Q"))


def test_an_absent_file_is_the_systems_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        pickles.load(tmp_path / "absent.pkl")
