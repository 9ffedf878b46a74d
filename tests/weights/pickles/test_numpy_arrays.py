"""NumPy's arrays and numbers: all plain types come back as they were, objects are refused."""

import os
import pickle

import numpy as np
import pytest
from pickle_opcodes import named, opcodes, text

from harness.weights import pickles
from harness.weights.pickles import RefusedPickle

PROTOCOLS = pytest.mark.parametrize("protocol", [2, 3, 4, 5])


@PROTOCOLS
@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "uint8", "bool", ">f4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_come_back_as_they_were(protocol, dtype, order):
    array = np.asarray(np.arange(6).reshape(2, 3), dtype=dtype, order=order)
    found = pickles.loads(pickle.dumps({"x": array, "y": array[1, 2]}, protocol))
    np.testing.assert_array_equal(found["x"], array)
    assert found["x"].dtype == array.dtype
    assert found["y"] == array[1, 2]


def test_arrays_of_objects_are_refused():
    with pytest.raises(RefusedPickle, match=r"numpy\.dtype\('O8'\) is not allowed"):
        pickles.loads(pickle.dumps(np.array([os.system], dtype=object), 4))


@pytest.mark.parametrize("value", [np.float64(2.5), np.float32(-1), np.int8(-7), np.uint64(2**63), np.bool_(True)])
def test_numbers_come_back_with_their_type(value):
    found = pickles.loads(pickle.dumps(value))
    assert type(found) is type(value)
    assert found == value


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (1, 2, 3)])
def test_shapes_with_and_without_entries_come_back(shape):
    found = pickles.loads(pickle.dumps(np.ones(shape)))
    np.testing.assert_array_equal(found, np.ones(shape))
    assert isinstance(found, np.ndarray)
    assert found.flags.writeable


@pytest.mark.parametrize("dtype", ["U3", "S3", "c16", "M8[s]", [("a", "i4")]])
def test_arrays_of_other_types_than_plain_numbers_are_refused(dtype):
    with pytest.raises(RefusedPickle, match=r"numpy\.dtype\(.*\) is not allowed"):
        pickles.loads(pickle.dumps(np.zeros(2, dtype), 4))


MADE = named("numpy.core.multiarray", "_reconstruct") + named("numpy", "ndarray") + b"K\x00\x85C\x01b\x87R"
TYPE = named("numpy", "dtype") + text("u1") + b"\x89\x88\x87R"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (MADE, "a numpy array has no content"),
        (MADE + b"K\x01b", "a numpy array has a strange state"),
        (MADE + b"(K\x01K\x03\x85" + TYPE + b"\x89C\x02abtb", r"a numpy array of shape \(3,\) holds 2 bytes"),
        (MADE + b"(K\x01K\x02\x85K\x05\x89C\x02abtb", "holds no plain numbers"),
        (named("numpy.core.multiarray", "_reconstruct") + b"NK\x00\x85C\x01b\x87R", r"only arrays of numpy\.ndarray"),
        (named("numpy", "ndarray") + b")R", r"numpy\.ndarray is not called"),
        (named("numpy", "dtype") + b"K\x01\x89\x88\x87R", r"a numpy\.dtype has no name"),
        (TYPE + b"K\x01b", r"a numpy\.dtype has a strange state"),
        (TYPE, "a function or a type as a value"),
        (named("numpy.core.multiarray", "scalar") + TYPE + b"C\x02ab\x86R", "a numpy scalar is no plain number"),
    ],
)
def test_parts_that_numpy_does_not_write_are_refused(body, message):
    with pytest.raises(RefusedPickle, match=message):
        pickles.loads(opcodes(body))
