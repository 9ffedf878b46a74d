"""Opcodes are inspected before anything is read: forbidden ones, false sizes, and tuples that would hash for ever."""

import io
import pickle
import struct
import tracemalloc

import pytest
from pickle_opcodes import HUGE, named, opcodes, text

from harness.weights import pickles
from harness.weights.pickles import RefusedPickle
from harness.weights.pickles import opcodes as module
from harness.weights.pickles.opcodes import inspect


@pytest.mark.parametrize("opcode", [b"Pname\n", b"Nq\x00Q", b"\x82\x01", b"(iposix\nsystem\n", b"(cposix\nsystem\no", b"\x97"])
def test_opcodes_that_published_files_have_not_are_refused(opcode):
    with pytest.raises(RefusedPickle, match=r"the opcode \w+ is not allowed"):
        pickles.loads(opcodes(opcode))


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
    assert pickles.loads(pickle.dumps(tuple(range(50_000)), 4)) == tuple(range(50_000))


def test_an_honest_pickle_is_read_to_its_end_and_not_beyond():
    content = pickle.dumps({"a": [1, (2, 3)], "b": {4}})
    file = io.BytesIO(content + b"rest")
    inspect(file, allows_ids=False)
    assert file.read() == b"rest"


def test_ids_are_allowed_where_the_reader_has_them():
    content = opcodes(text("key"), b"Q")
    inspect(io.BytesIO(content), allows_ids=True)
    with pytest.raises(RefusedPickle, match="the opcode BINPERSID is not allowed"):
        inspect(io.BytesIO(content), allows_ids=False)


@pytest.mark.parametrize("put", [b"q\x09", b"r\x09\x00\x00\x00", b"p9\n"])
def test_a_memo_slot_that_no_opcode_could_have_filled_is_refused(put):
    with pytest.raises(RefusedPickle, match="PUT to slot 9 after 2 opcodes"):
        inspect(io.BytesIO(opcodes(b"N", put)), allows_ids=False)


def test_the_weight_of_a_tuple_counts_what_it_holds_as_often_as_it_is_reached(monkeypatch):
    pair = b"K\x01K\x02\x86"  # weighs 1 + 1 + 1
    twice = pair + b"2\x86"  # 1 + 3 + 3
    from_memo = pair + b"\x940h\x00h\x00h\x00\x87"  # 1 + 3 + 3 + 3
    for body, weight in ((pair, 3), (twice, 7), (from_memo, 10), (b"(" + pair + b"Nt", 5)):
        monkeypatch.setattr(module, "HEAVIEST", weight)
        inspect(io.BytesIO(opcodes(body)), allows_ids=False)
        monkeypatch.setattr(module, "HEAVIEST", weight - 1)
        with pytest.raises(RefusedPickle, match=f"a tuple holds {weight} values or more"):
            inspect(io.BytesIO(opcodes(body)), allows_ids=False)


def test_lists_and_dictionaries_weigh_one_whatever_they_hold(monkeypatch):
    monkeypatch.setattr(module, "HEAVIEST", 3)
    inspect(io.BytesIO(opcodes(b"](K\x01K\x02K\x03K\x04e2\x86")), allows_ids=False)  # a pair of one list
