"""The limit on what the calls of a pickle may copy."""

import io
import pickle
import struct
import tracemalloc

import numpy as np
import pytest
from pickle_opcodes import named, opcodes, text

from harness.weights import pickles
from harness.weights.pickles import RefusedPickle
from harness.weights.pickles.guard import copies_limited, count_copy, read_one


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


def test_a_file_may_copy_its_content_twice_and_a_little():
    with copies_limited(1000):
        count_copy(2 * 1000 + 2**16)
        with pytest.raises(RefusedPickle, match="copies its content more often"):
            count_copy(1)


def test_each_pickle_has_a_limit_of_its_own():
    with copies_limited(0):
        count_copy(2**16)
        with copies_limited(0):
            count_copy(2**16)
        with pytest.raises(RefusedPickle):
            count_copy(1)


def test_a_refused_pickle_leaves_no_limit_behind():
    with pytest.raises(RefusedPickle):
        pickles.loads(b"no pickle")
    array = np.arange(10_000.0)
    for _ in range(5):  # together they would be over the limit of one
        np.testing.assert_array_equal(pickles.loads(pickle.dumps(array)), array)


def test_one_pickle_is_read_from_a_file_of_several():
    file = io.BytesIO(b"before" + pickle.dumps([1]) + pickle.dumps([2]))
    file.seek(len(b"before"))
    assert [read_one(file, pickle.Unpickler), read_one(file, pickle.Unpickler)] == [[1], [2]]
    assert file.read() == b""
