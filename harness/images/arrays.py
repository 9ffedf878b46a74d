"""Images in .npz and .npy files, read batch by batch: an archive of 50,000 is never in memory whole."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.errors import UserError
from harness.images.sets import ImageSet

RANGES = {"0,255": (0.0, 255.0), "0,1": (0.0, 1.0), "-1,1": (-1.0, 1.0)}
"""What the values of images stored as floats can mean: black and white."""
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError)


@dataclass(frozen=True)
class StoredArray:
    """An array in a file, by its header.

    Args:
        member: its name inside an .npz; empty for an .npy.
    """

    path: Path
    member: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    is_fortran: bool = False

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"{self.path}/{self.member}" if self.member else str(self.path)

    def blocks(self, size: int) -> Iterator[NDArray[Any]]:
        """Along the first axis, `size` at a time. Raises: UserError when the file ends early or a checksum is wrong."""
        if self.is_fortran:
            raise UserError(f"{self.name}: is in Fortran's order; write it with numpy.ascontiguousarray")
        one = math.prod(self.shape[1:]) * self.dtype.itemsize
        with _opened(self.path, self.member) as file:
            _header(file)
            for start in range(0, self.shape[0], size):
                count = min(size, self.shape[0] - start)
                content = _exactly(file, count * one, self.name)
                yield np.frombuffer(content, self.dtype).reshape(count, *self.shape[1:])
            _exactly(file, 0, self.name, is_last=True)

    def read(self, *, largest: int) -> NDArray[Any]:
        """The whole array. Raises: UserError when it has more than `largest` bytes, or is damaged."""
        if math.prod(self.shape) * self.dtype.itemsize > largest:
            raise UserError(f"{self.name}: an array of shape {self.shape}, which is too large for what it should be")
        (flat,) = StoredArray(self.path, self.member, (1, math.prod(self.shape)), self.dtype).blocks(1)
        return flat.reshape(self.shape, order="F" if self.is_fortran else "C").copy()


def stored(path: Path) -> dict[str, StoredArray]:
    """Arrays of an .npz by name, or the one of an .npy under the empty name. Raises: UserError for another or a damaged file."""
    if path.suffix == ".npy":
        return {"": _stored(path, "")}
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
    except _DAMAGE as error:
        raise UserError(f"{path}: cannot be read as an .npz: {error}") from error
    return {name: _stored(path, name) for name in names}


def _stored(path: Path, member: str) -> StoredArray:
    with _opened(path, member) as file:
        shape, is_fortran, dtype = _header(file)
    name = f"{path}/{member}" if member else str(path)
    if dtype.hasobject:
        raise UserError(f"{name}: holds Python objects, which are programs and not data")
    return StoredArray(path, member, shape, dtype, is_fortran and len(shape) > 1)


@contextmanager
def _opened(path: Path, member: str) -> Iterator[IO[bytes]]:
    try:
        if not member:
            with path.open("rb") as file:
                yield file
            return
        with zipfile.ZipFile(path) as archive, archive.open(f"{member}.npy") as inside:
            yield inside
    except _DAMAGE as error:
        raise UserError(f"{path}{'/' if member else ''}{member}: damaged: {error}") from error


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"version {version} of NumPy's format")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, is_fortran, dtype = read(file)
    return shape, is_fortran, dtype


def _exactly(file: IO[bytes], count: int, name: str, *, is_last: bool = False) -> bytes:
    content = file.read(count + is_last)
    if len(content) != count:
        raise UserError(f"{name}: damaged: its header and its length do not agree")
    return content


def image_array(path: Path) -> StoredArray:
    """The array of images: `arr_0`, or the only one that could be. Raises: UserError when there is none, or of another layout."""
    arrays = stored(path)
    could_be = [name for name, one in arrays.items() if len(one.shape) in (3, 4)]
    name = "arr_0" if "arr_0" in arrays else could_be[0] if len(could_be) == 1 else None
    if name is None:
        there = ", ".join(f"{name or 'the array'} {one.shape}" for name, one in arrays.items()) or "nothing"
        raise UserError(f"{path}: no arr_0 with images, (n, height, width, channels) uint8; it has {there}")
    found = arrays[name]
    if len(found.shape) not in (3, 4) or (len(found.shape) == 4 and found.shape[-1] not in (1, 3)):
        hint = "; channels come last: transpose(0, 2, 3, 1)" if len(found.shape) == 4 and found.shape[1] in (1, 3) else ""
        expected = "(n, height, width, 1 or 3) or (n, height, width)"
        raise UserError(f"{found.name}: shape {found.shape}, and images are {expected}{hint}")
    if 0 in found.shape:
        raise UserError(f"{found.name}: no image in it, its shape is {found.shape}")
    return found


def images(path: Path, value_range: str | None = None) -> ImageSet:
    """The images of a file, streamed.

    Args:
        value_range: out of RANGES, what floats mean; not used for uint8.
    Raises: UserError for another type or layout, floats without a range, and, while it is read, for floats outside of it.
    """
    array = image_array(path)
    is_float = array.dtype.kind == "f"
    if array.dtype != np.uint8 and not is_float:
        raise UserError(f"{array.name}: {array.dtype} values; images are uint8 (astype(numpy.uint8)), or floats with --range")
    if is_float and value_range is None:
        ranges = " or ".join(f"--range={one}" for one in RANGES)
        raise UserError(f"{array.name}: {array.dtype} values; say what they mean: {ranges}")
    low, high = RANGES[value_range] if is_float and value_range is not None else (0.0, 255.0)

    def batches(size: int) -> Iterator[Tensor]:
        done, smallest, largest = 0, high, low
        for block in array.blocks(size):
            channels_last = block[..., None] if block.ndim == 3 else block
            smallest, largest = min(smallest, float(block.min())), max(largest, float(block.max()))
            as_bytes = _to_bytes(channels_last, low, high, array.name, done) if is_float else channels_last
            yield torch.from_numpy(np.array(as_bytes.transpose(0, 3, 1, 2), order="C"))
            done += len(block)
        if is_float:
            _check_range(array.name, value_range or "", smallest, largest)

    height, width = array.shape[1:3]
    return ImageSet(str(path), array.shape[0], (array.shape[3] if len(array.shape) == 4 else 1, height, width), batches)


def _check_range(name: str, value_range: str, smallest: float, largest: float) -> None:
    """Raises: UserError when all values together fit a narrower range: as what was said, all images would be dark, or light."""
    low, high = RANGES[value_range]
    narrower = [one for one, (black, white) in RANGES.items() if low <= black <= smallest and largest <= white < high]
    narrower += [one for one, (black, _) in RANGES.items() if low < black <= smallest and RANGES[one][1] == high]
    if narrower:
        raise UserError(
            f"{name}: all values are in [{smallest:.4g}, {largest:.4g}], so --range {value_range} is hardly what they mean; say "
            f"--range={narrower[0]}, or store them as uint8 if it is"
        )


def _to_bytes(block: NDArray[Any], low: float, high: float, name: str, first: int) -> NDArray[np.uint8]:
    """Rounded to the nearest, halves up, as `harness.images.quantise` does. Raises: UserError that names the first bad image."""
    values = block.astype(np.float64)
    slack = 1e-4 * (high - low)  # a rounding error of float32 is no other range
    for is_bad, what in (
        (~np.isfinite(values), "has values that are not finite"),
        ((values < low - slack) | (values > high + slack), f"has values outside of [{low:g}, {high:g}]"),
    ):
        rows = np.flatnonzero(is_bad.reshape(len(values), -1).any(1))
        if len(rows):
            raise UserError(f"{name}: image {first + int(rows[0])} {what}")
    return np.clip(np.floor((values - low) * (255 / (high - low)) + 0.5), 0, 255).astype(np.uint8)
