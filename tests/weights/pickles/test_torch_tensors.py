"""Tensors and their storages: views inside the bytes that are there, and nothing else."""

import os
import pickle
import struct

import pytest
import torch
from pickle_opcodes import HUGE, Calls, load_storage, named, opcodes, storage, tensor, text

from harness.weights import pickles
from harness.weights.pickles import RefusedPickle


def test_offset_size_and_stride_are_honoured():
    found = pickles.loads(tensor((3, 1), (1, 5), offset=1))
    torch.testing.assert_close(found, torch.tensor([[2.0], [3.0], [4.0]]), rtol=0, atol=0)
    found = pickles.loads(tensor((2, 2), (1, 2)))
    torch.testing.assert_close(found, torch.tensor([[1.0, 3.0], [2.0, 4.0]]), rtol=0, atol=0)


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


def test_a_storages_own_pickles_are_restricted_too(canary):
    storage = pickle.dumps(Calls(os.system, f"touch {canary}"), 2)
    hostile = opcodes(named("torch.storage", "_load_from_bytes"), b"B", struct.pack("<I", len(storage)), storage, b"\x85R")
    with pytest.raises(RefusedPickle, match="system is not allowed in a storage"):
        pickles.loads(hostile)


DTYPES = ["float32", "float16", "float64", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"]


@pytest.mark.parametrize("name", DTYPES)
def test_tensors_of_every_type_come_back_as_torch_pickles_them(name):
    original = torch.tensor([[0.0, 1.0, 2.5], [-3.0, 0.5, 4.0]]).abs().to(getattr(torch, name))
    found = pickles.loads(pickle.dumps({"x": original, "transposed": original.T, "row": original[1]}))
    assert found["x"].dtype == original.dtype
    assert torch.equal(found["x"], original)
    assert torch.equal(found["transposed"], original.T)
    assert torch.equal(found["row"], original[1])


def test_parameters_become_plain_tensors():
    found = pickles.loads(pickle.dumps(torch.nn.Parameter(torch.arange(3.0))))
    assert type(found) is torch.Tensor
    assert found.tolist() == [0.0, 1.0, 2.0]
    assert not found.requires_grad


@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (1, 1)])
def test_scalars_and_empty_tensors_come_back(shape):
    found = pickles.loads(pickle.dumps(torch.zeros(shape)))
    assert isinstance(found, torch.Tensor)
    assert found.shape == shape


def test_a_tensor_is_a_copy_that_the_file_does_not_own():
    content = bytearray(pickle.dumps(torch.ones(3)))
    found = pickles.loads(bytes(content))
    assert isinstance(found, torch.Tensor)
    found += 1  # the bytes of a pickle cannot be written
    assert found.tolist() == [2.0, 2.0, 2.0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((b"\x6c\xfc\x9c", b"\x6c\xfc\x9d"), "not of torch's legacy format"),
        ((b"little_endian\x71\x02\x88", b"little_endian\x71\x02\x89"), "not little-endian"),
        ((text("storage"), text("module!")), "no description"),
        ((text("0") + text("cpu"), text("1") + text("cpu")), "a key that is not its own"),
        ((b"FloatStorage", b"FlintStorage"), r"torch\.FlintStorage is not allowed in a storage"),
    ],
)
def test_the_header_of_a_storage_must_be_torchs_own(change, message):
    content = storage([1.0]).replace(*change)
    assert content != storage([1.0])
    with pytest.raises(RefusedPickle, match=message):
        pickles.loads(tensor((1,), (1,), content=content))


def test_a_tensor_needs_a_storage_and_as_many_strides_as_sides():
    rebuild = named("torch._utils", "_rebuild_tensor_v2")
    with pytest.raises(RefusedPickle, match="a tensor has no storage"):
        pickles.loads(opcodes(rebuild, b"(K\x01K\x00K\x01\x85K\x01\x85tR"))
    with pytest.raises(RefusedPickle, match=r"a tensor of shape \(2,\) has strides \(1, 2\)"):
        pickles.loads(tensor((2,), (1, 2)))
    with pytest.raises(RefusedPickle, match="a parameter is no tensor"):
        pickles.loads(opcodes(named("torch._utils", "_rebuild_parameter"), b"K\x01\x85R"))


def test_a_storage_alone_is_no_data():
    with pytest.raises(RefusedPickle, match="a function or a type as a value"):
        pickles.loads(opcodes(load_storage(storage([1.0]))))
