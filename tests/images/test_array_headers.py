import io
import struct

import numpy as np
import pytest

from harness.errors import UserError
from harness.images import arrays
from harness.images.array_headers import read_header


def with_header(text, version=(1, 0), declared=None):
    content = text.encode("latin1")
    length = struct.pack("<H" if version == (1, 0) else "<I", len(content) if declared is None else declared)
    return b"\x93NUMPY" + bytes(version) + length + content


def test_a_header_says_shape_order_type_and_its_own_length():
    file = io.BytesIO()
    np.save(file, np.zeros((2, 3), np.float32, order="F"))
    header = read_header(io.BytesIO(file.getvalue()))
    assert (header.shape, header.is_fortran, header.dtype.str) == ((2, 3), True, "<f4")
    assert header.length == len(file.getvalue()) - 24


@pytest.mark.parametrize(
    "text",
    [
        "(" * 5000, "[" * 100, "{{}}", "{'descr': 'x", "{" * 500 + "}" * 500, "-" * 9000 + "1", "'" * 3, "{[]: 1}", "1", "",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3}", "{'descr': 'nonsense', 'fortran_order': False, 'shape': (3,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-3,)}", "{'descr': '<f4', 'fortran_order': False, 'shape': 3}",
        "{'descr': [], 'fortran_order': False, 'shape': (1.5,)}", "9" * 9000, "{'descr': '<f4', 'shape': (3,)}",
    ],
)  # fmt: skip
@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_a_damaged_header_is_one_line(tmp_path, text, version):
    path = tmp_path / "x.npy"
    path.write_bytes(with_header(text, version) + bytes(100))
    with pytest.raises(UserError, match=r"x\.npy: damaged: its header (is no header|declares)") as caught:
        arrays.stored(path)
    assert len(str(caught.value).splitlines()) == 1


def test_a_header_of_python_2_is_read(tmp_path):
    path = tmp_path / "x.npy"
    path.write_bytes(with_header("{'descr': '|u1', 'fortran_order': False, 'shape': (3L,)}\n") + bytes(3))
    assert arrays.stored(path)[""].shape == (3,)


@pytest.mark.parametrize("content", [with_header("x" * 10_001), with_header("{}", (2, 0), 2**31), with_header("")[:9]])
def test_a_header_that_is_too_long_or_cut_is_not_parsed(content):
    with pytest.raises(ValueError, match=r"declares|ends inside"):
        read_header(io.BytesIO(content))


def test_an_array_that_declares_more_than_the_file_has_is_refused_before_it_takes_memory(tmp_path):
    path = tmp_path / "x.npy"
    path.write_bytes(with_header(f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({2**40}, 8, 8, 3)}}") + bytes(1000))
    with pytest.raises(UserError, match=r"x\.npy: damaged: its header and its length do not agree"):
        arrays.stored(path)


def test_a_bomb_in_an_npz_is_refused_before_it_is_unpacked(tmp_path):
    path = tmp_path / "x.npz"
    np.savez_compressed(path, arr_0=np.zeros((1500, 256, 256, 3), np.uint8))
    assert path.stat().st_size < 2**20
    with pytest.raises(UserError, match=r"x\.npz/arr_0: unpacks from [\d,]+ to 294,912,128 bytes.*decompression bomb"):
        arrays.images(path)


def test_black_images_are_no_bomb(tmp_path):
    path = tmp_path / "x.npz"
    np.savez_compressed(path, arr_0=np.zeros((100, 64, 64, 3), np.uint8))
    assert arrays.images(path).n == 100


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_version_of_the_format_is_read(tmp_path, version):
    array = np.arange(96, dtype=np.uint8).reshape(2, 4, 4, 3)
    with (tmp_path / "x.npy").open("wb") as file:
        np.lib.format.write_array(file, array, version=version)
    (block,) = arrays.images(tmp_path / "x.npy").batches(2)
    np.testing.assert_array_equal(block.permute(0, 2, 3, 1).numpy(), array)


def test_an_unknown_version_of_the_format_is_named(tmp_path):
    (tmp_path / "x.npy").write_bytes(with_header("{}", (9, 1)))
    with pytest.raises(UserError, match=r"x\.npy: damaged: it names version 9\.1 of NumPy's format, which is not known"):
        arrays.stored(tmp_path / "x.npy")
