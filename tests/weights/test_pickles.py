"""The restricted reader: what it reads, and that nothing in a hostile file runs, crashes or takes memory."""

import builtins
import collections
import io
import os
import pickle
import random
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.errors import UserError
from harness.weights import pickles
from harness.weights.pickles import Persistent, RefusedPickle

GOLDEN = Path(__file__).parents[1] / "golden"
NETWORK = GOLDEN / "edm" / "pkl_edm_ncsnpp_cond_oldlayout.pkl"
PROTOCOLS = pytest.mark.parametrize("protocol", [2, 3, 4, 5])


def opcodes(*parts: bytes) -> bytes:
    return b"\x80\x04" + b"".join(parts) + b"."


def named(module: str, name: str) -> bytes:
    """The opcode that looks up a name."""
    return f"c{module}\n{name}\n".encode()


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


class Calls:
    """Pickles as a call of any function."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@PROTOCOLS
def test_plain_containers_come_back_as_they_were(protocol):
    value = {"a": [1, 2.5, True, None, "x", b"y", 2**70], "b": (1, (2,)), "c": {3}, 4: {}}
    assert pickles.loads(pickle.dumps(value, protocol)) == value


@PROTOCOLS
@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "uint8", "bool", ">f4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_come_back_as_they_were(protocol, dtype, order):
    array = np.asarray(np.arange(6).reshape(2, 3), dtype=dtype, order=order)
    found = pickles.loads(pickle.dumps({"x": array, "y": array[1, 2]}, protocol))
    np.testing.assert_array_equal(found["x"], array)
    assert found["x"].dtype == array.dtype
    assert found["y"] == array[1, 2]


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


def test_a_network_has_its_class_arguments_and_tensors():
    network = pickles.network(pickles.load(NETWORK))
    assert network.class_name == "EDMPrecond"
    assert network.arguments["label_dim"] == 5
    weights = pickles.state_dict(network)
    assert weights["model.map_noise.freqs"].shape == (8,)
    assert all(isinstance(value, torch.Tensor) for value in weights.values())


def test_the_embedded_source_is_not_kept():
    network = pickles.network(pickles.load(NETWORK))
    assert set(vars(network)) == {"class_name", "state"}
    assert "module_src" not in network.state


def test_a_file_without_a_network_says_so():
    with pytest.raises(RefusedPickle, match="no network is stored under 'ema'"):
        pickles.network({"ema": 3})


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


@pytest.fixture
def canary(tmp_path):
    """A file that hostile pickles would make."""
    path = tmp_path / "canary"
    yield path
    assert not path.exists(), "the pickle ran code"


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


def test_a_storages_own_pickles_are_restricted_too(canary):
    storage = pickle.dumps(Calls(os.system, f"touch {canary}"), 2)
    hostile = opcodes(named("torch.storage", "_load_from_bytes"), b"B", struct.pack("<I", len(storage)), storage, b"\x85R")
    with pytest.raises(RefusedPickle, match="system is not allowed in a storage"):
        pickles.loads(hostile)


@pytest.mark.parametrize("opcode", [b"Pname\n", b"Nq\x00Q", b"\x82\x01", b"(iposix\nsystem\n", b"(cposix\nsystem\no", b"\x97"])
def test_opcodes_that_published_files_have_not_are_refused(opcode):
    with pytest.raises(RefusedPickle, match=r"the opcode \w+ is not allowed"):
        pickles.loads(opcodes(opcode))


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
    before = {name: vars(pickles)[name] for name in ("_PERMITTED", "Container", "_Table")}
    body = pickle.dumps(state, 2)[2:-1]
    with pytest.raises(RefusedPickle):
        pickles.loads(opcodes(target, body, b"b"))
    assert all(vars(pickles)[name] is value for name, value in before.items())
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

HUGE = 2**45


def storage(numbers: list[float], *, declared: int | None = None, count: int | None = None) -> bytes:
    """The bytes of a legacy storage of float32."""
    file = io.BytesIO()
    for header in (0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}):
        file.write(pickle.dumps(header, 2))
    declared = len(numbers) if declared is None else declared
    sizes = b"\x8a\x08" + struct.pack("<q", declared)
    file.write(b"\x80\x02(" + text("storage") + named("torch", "FloatStorage") + text("0") + text("cpu") + sizes + b"NtQ.")
    file.write(pickle.dumps(["0"], 2))
    file.write(struct.pack("<q", len(numbers) if count is None else count))
    return file.getvalue() + struct.pack(f"<{len(numbers)}f", *numbers)


def tensor(size: tuple[int, ...], stride: tuple[int, ...], *, offset: int = 0, content: bytes | None = None) -> bytes:
    content = storage([1.0, 2.0, 3.0, 4.0]) if content is None else content
    raw = named("torch.storage", "_load_from_bytes") + b"B" + struct.pack("<I", len(content)) + content + b"\x85R"
    rest = b"".join(pickle.dumps(one, 2)[2:-1] for one in (offset, size, stride, False))
    # A memo slot is written anew by each of these; no later opcode reads one.
    return opcodes(named("torch._utils", "_rebuild_tensor_v2"), b"(", raw, rest, named("collections", "OrderedDict"), b")RtR")


def test_offset_size_and_stride_are_honoured():
    found = pickles.loads(tensor((3, 1), (1, 5), offset=1))
    assert found.tolist() == [[2.0], [3.0], [4.0]]
    assert pickles.loads(tensor((2, 2), (1, 2))).tolist() == [[1.0, 3.0], [2.0, 4.0]]


@pytest.mark.parametrize(
    ("size", "stride", "offset"),
    [((5,), (1,), 0), ((4,), (1,), 1), ((HUGE,), (0,), 0), ((2, HUGE), (0, 0), 0), ((2,), (HUGE,), 0), ((-1,), (1,), 0)],
)
def test_a_tensor_reaches_not_outside_its_storage(size, stride, offset):
    with pytest.raises(RefusedPickle, match=r"reaches outside|no tuple of sizes"):
        pickles.loads(tensor(size, stride, offset=offset))


@pytest.mark.parametrize(
    "content",
    [storage([1.0], declared=HUGE), storage([1.0], count=HUGE), storage([1.0], declared=HUGE, count=HUGE),
     storage([1.0], count=-1), storage([1.0])[:-1], storage([1.0])[:20], b""],
)  # fmt: skip
def test_a_storage_that_declares_what_it_has_not_is_refused(content):
    with pytest.raises(RefusedPickle):
        pickles.loads(tensor((1,), (1,), content=content))


def bombs() -> dict[str, bytes]:
    array = named("numpy.core.multiarray", "_reconstruct") + named("numpy", "ndarray")
    shape = b"\x8a\x06" + struct.pack("<q", HUGE)[:6]
    dtype = named("numpy", "dtype") + text("f8") + b"\x89\x88\x87R"
    return {
        "bytes": opcodes(b"\x8e", struct.pack("<Q", HUGE), b"x"),
        "text": opcodes(b"\x8d", struct.pack("<Q", HUGE), b"x"),
        "bytearray": opcodes(b"\x96", struct.pack("<Q", HUGE), b"x"),
        "frame": opcodes(b"\x95", struct.pack("<Q", HUGE), b"N"),
        "memo": opcodes(b"Nr", struct.pack("<I", 2**32 - 1)),
        "memo in words": opcodes(b"Np4294967295\n"),
        "long": opcodes(b"\x8b", struct.pack("<i", 2**31 - 1), b"x"),
        "array made": opcodes(array, shape, b"\x85", b"C\x01b", b"\x87R"),
        "array filled": opcodes(array, b"K\x00\x85C\x01b\x87R", b"(K\x01", shape, b"\x85", dtype, b"\x89C\x00tb"),
    }


@pytest.mark.parametrize("name", bombs())
def test_a_declared_size_takes_no_memory(name):
    tracemalloc.start()
    with pytest.raises(RefusedPickle):
        pickles.loads(bombs()[name])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def test_many_references_to_one_thing_are_walked_once():
    body = b"]" + b"".join(b"q" + bytes([i]) + b"]h" + bytes([i]) + b"ah" + bytes([i]) + b"a" for i in range(100))
    found = pickles.loads(opcodes(body))
    assert found[0] is found[1]


def test_containers_nested_too_deep_are_refused():
    with pytest.raises(RefusedPickle, match="nested too deep"):
        pickles.loads(opcodes(b"]" * 100_000, b"a" * 99_999))


def test_modules_nested_in_themselves_are_refused():
    module = Persistent("Loop", {})
    module.state["_modules"] = {"again": module}
    with pytest.raises(RefusedPickle, match="nested more than"):
        pickles.state_dict(module)


def test_arrays_of_objects_are_refused():
    with pytest.raises(RefusedPickle, match=r"numpy\.dtype\('O8'\) is not allowed"):
        pickles.loads(pickle.dumps(np.array([os.system], dtype=object), 4))


def doubling(innermost: bytes, wrap: bytes, levels: int) -> bytes:
    """A container that holds one thing twice, which holds one twice, and so on."""
    return innermost + b"".join(wrap for _ in range(levels))


TUPLES = doubling(b"K\x01\x85", b"2\x86", 60)
"""Sixty levels of two: a few bytes in the file, a hash that visits 2^60."""


@pytest.mark.parametrize(
    "body",
    [b"}" + TUPLES + b"Ns", b"\x8f(" + TUPLES + b"\x90", b"(" + TUPLES + b"\x91", TUPLES,
     named("builtins", "set") + b"](" + TUPLES + b"e\x85R"],
    ids=["key", "member", "frozen set", "alone", "made set"],
)  # fmt: skip
def test_a_tuple_of_two_of_two_of_two_is_refused_before_it_is_hashed(body):
    with pytest.raises(RefusedPickle, match="a tuple holds"):
        pickles.loads(opcodes(body))


def test_a_flat_tuple_may_be_long():
    assert len(pickles.loads(pickle.dumps(tuple(range(50_000)), 4))) == 50_000


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


def test_content_that_is_copied_again_and_again_is_refused():
    size, times = 20_000, 500
    content = b"B" + struct.pack("<I", size) + bytes(size) + b"q\x00"
    dtype = named("numpy", "dtype") + text("u1") + b"\x89\x88\x87R" + b"q\x01"
    filled = named("numpy.core.numeric", "_frombuffer")
    copies = (filled + b"(h\x00h\x01J" + struct.pack("<i", size) + b"\x85" + text("C") + b"tR") * times
    listed = b"](" + b"K\x01" * size + b"eq\x00"
    bombs = {
        "arrays": content + dtype + b"](" + copies + b"e",
        "texts": b"X" + struct.pack("<I", size) + b"x" * size + b"q\x00]("
        + (named("_codecs", "encode") + b"h\x00" + text("latin1") + b"\x86R") * times + b"e",
        "sets": listed + b"](" + (named("builtins", "set") + b"h\x00\x85R") * times + b"e",
        "tables": b"}(" + b"".join(b"J" + struct.pack("<i", i) + b"N" for i in range(size)) + b"uq\x00]("
        + (named("dnnlib.util", "EasyDict") + b"h\x00\x85R") * times + b"e",
    }  # fmt: skip
    for name, body in bombs.items():
        tracemalloc.start()
        with pytest.raises(RefusedPickle, match="copies its content more often"):
            pickles.loads(opcodes(body))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 300 * len(body), name  # an item of a container takes a hundred bytes


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
    permitted = [named(module, name) for module, name in pickles._PERMITTED]
    pieces = [*permitted, b"(", b")", b"]", b"}", b"N", b"K\x01", b"\x85", b"\x86", b"\x87", b"R", b"\x81", b"b", b"a", b"s",
              b"t", b"u", b"e", b"0", b"2", b"\x8f", b"\x90", b"q\x00", b"h\x00", b"C\x01b", text("f8"), text("<")]  # fmt: skip
    for _ in range(3000):
        try:
            pickles.loads(opcodes(*dice.choices(pieces, k=dice.randint(1, 15))))
        except RefusedPickle:
            continue
    assert pickles.loads(pickle.dumps(collections.OrderedDict(a=np.ones(2)), 4))["a"].tolist() == [1.0, 1.0]
