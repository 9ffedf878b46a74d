"""Tensors in files are read and written by rows, and are those of the library bit for bit."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from harness.errors import UserError
from harness.weights import state_dicts, tensor_rows

KINDS = [torch.uint8, torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64]


def values(dtype, n=7):
    return (torch.arange(n * 6).view(n, 2, 3) * 3 % 251).to(dtype)


@pytest.mark.parametrize("dtype", KINDS)
def test_rows_of_a_file_of_the_library_are_read(tmp_path, dtype):
    x = values(dtype)
    save_file({"x": x, "y": torch.ones(3)}, tmp_path / "x.safetensors")
    rows = tensor_rows.tensors(tmp_path / "x.safetensors")["x"]
    assert (len(rows), rows.shape, rows.dtype) == (7, (7, 2, 3), dtype)
    for start, stop in ((0, 7), (2, 5), (6, 9), (3, 3)):
        assert torch.equal(rows.read(start, stop), x[start:stop])
    assert torch.equal(rows[[5, 0, 5]], x[[5, 0, 5]])


@pytest.mark.parametrize("bytes_at_once", [1, 100, 2**24])
@pytest.mark.parametrize("dtype", KINDS)
def test_the_hash_of_rows_is_that_of_the_whole_tensor(tmp_path, monkeypatch, dtype, bytes_at_once):
    monkeypatch.setattr(tensor_rows, "BYTES_AT_ONCE", bytes_at_once)
    save_file({"y": values(dtype)}, tmp_path / "x.safetensors")
    rows = tensor_rows.tensors(tmp_path / "x.safetensors")["y"]
    assert rows.sha256("x") == state_dicts.sha256({"x": values(dtype)})


def test_a_file_is_filled_by_rows_in_any_order_and_the_library_reads_it(tmp_path):
    layout = {"x.0": (torch.uint8, (7, 2, 3)), "x.1": (torch.float32, (5, 2)), "labels.0": (torch.int64, (7,))}
    stored = tensor_rows.allocate(tmp_path / "x.safetensors", layout)
    expected = {"x.0": values(torch.uint8), "x.1": torch.rand(5, 2), "labels.0": torch.arange(7)}
    for start in (4, 0):
        for name, tensor in expected.items():
            tensor_rows.write(stored[name], start, tensor[start : start + 4])
    assert all(torch.equal(tensor, expected[name]) for name, tensor in load_file(tmp_path / "x.safetensors").items())


@pytest.mark.parametrize("rows", [torch.zeros(2, 2), torch.zeros(2, 3).double(), torch.zeros(4, 3)])
def test_rows_of_another_shape_or_type_are_a_bug_of_the_caller(tmp_path, rows):
    stored = tensor_rows.allocate(tmp_path / "x.safetensors", {"x": (torch.float32, (5, 3))})
    with pytest.raises(ValueError, match=r"^x has torch\.float32 rows \(3,\), got "):
        tensor_rows.write(stored["x"], 2, rows)


@pytest.mark.parametrize("content", [b"", b"\x08" + 15 * b"\x00", b"no tensors"])
def test_a_file_that_holds_no_tensors_is_one_message(tmp_path, content):
    (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(UserError, match=r"x\.safetensors: cannot be read: "):
        tensor_rows.tensors(tmp_path / "x.safetensors")


def test_a_file_that_became_shorter_is_one_message(tmp_path):
    stored = tensor_rows.allocate(tmp_path / "x.safetensors", {"x": (torch.float32, (5, 3))})
    (tmp_path / "x.safetensors").write_bytes((tmp_path / "x.safetensors").read_bytes()[:-1])
    with pytest.raises(UserError, match=r"x\.safetensors: cannot be read: it ends inside of x$"):
        stored["x"].read(0, 5)
