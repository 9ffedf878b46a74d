"""Images in .npz and .npy files. They are read batch by batch, so that a file of 50,000 images is never in memory as a whole."""

from __future__ import annotations

import math
import zipfile
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
from harness.images.array_headers import read_header
from harness.images.array_types import advice
from harness.images.decode import LARGEST_PIXELS
from harness.images.sets import ImageSet, images_at_once
from harness.images.zip_archives import DAMAGE
from harness.store.reading import check_regular, open_regular

BLOCK = 64
"""Images of another type that are read at once to find the range of their values."""
RANGES = {"0,255": (0.0, 255.0), "0,1": (0.0, 1.0), "-1,1": (-1.0, 1.0)}
"""The value ranges of images that are stored as floats: for each name, the values of black and of white."""

_WRONG_LENGTH = "{}: damaged: its header and its length do not agree"
LARGEST_RATIO = 200
"""The largest ratio of unpacked to packed bytes of an array above SMALL in an .npz. Black images exceed it, and no others do."""
SMALL = 2**26
"""An array of at most this unpacked size, in bytes, may have any such ratio."""


@dataclass(frozen=True)
class StoredArray:
    """An array in a file, as its header describes it.

    Args:
        member: name of the array inside an .npz; empty for an .npy.
    """

    path: Path
    member: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    is_fortran: bool = False

    @property
    def name(self) -> str:
        """The name of the array in messages."""
        return _name(self.path, self.member)

    def blocks(self, size: int) -> Iterator[NDArray[Any]]:
        """Yield the array along its first axis, `size` entries at a time, or fewer that have LARGEST_BATCH bytes.

        Raises: UserError when the file ends early, goes on after the array, has a wrong checksum, or is in Fortran's order.
        """
        if self.is_fortran:
            raise UserError(f"{self.name}: is in Fortran's order; write it with numpy.ascontiguousarray")
        entry_bytes = math.prod(self.shape[1:]) * self.dtype.itemsize
        with _opened(self.path, self.member) as file:
            read_header(file)
            at_once = images_at_once(size, self.shape[1:], self.dtype.itemsize)
            for start in range(0, self.shape[0], at_once):
                count = min(at_once, self.shape[0] - start)
                content = _exactly(file, count * entry_bytes, self.name)
                yield np.frombuffer(content, self.dtype).reshape(count, *self.shape[1:])
            _exactly(file, 0, self.name, is_last=True)

    def read(self, *, largest: int) -> NDArray[Any]:
        """Return the whole array. Raises: UserError when it has more than `largest` bytes, or is damaged."""
        if math.prod(self.shape) * self.dtype.itemsize > largest:
            raise UserError(f"{self.name}: an array of shape {self.shape}, which is too large for what it should be")
        (flat,) = StoredArray(self.path, self.member, (1, math.prod(self.shape)), self.dtype).blocks(1)
        return flat.reshape(self.shape, order="F" if self.is_fortran else "C").copy()


def stored(path: Path) -> dict[str, StoredArray]:
    """Return the arrays of an .npz by name, or the one array of an .npy under the empty name. Only headers are read.

    Raises: UserError for a damaged file, a file of another format, and an array of Python objects.
    """
    if path.suffix.lower() == ".npy":
        return {"": _stored(path, "")}
    try:
        check_regular(path)
        with zipfile.ZipFile(path) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
    except DAMAGE as error:
        raise UserError(f"{path}: cannot be read as an .npz: {error}") from error
    return {name: _stored(path, name) for name in names}


def _stored(path: Path, member: str) -> StoredArray:
    with _opened(path, member) as file:
        header = read_header(file)
        if header.dtype.hasobject:
            raise UserError(f"{_name(path, member)}: holds Python objects, which are programs and not data")
        if header.length + math.prod(header.shape) * header.dtype.itemsize != _length(path, member):
            raise UserError(_WRONG_LENGTH.format(_name(path, member)))
    return StoredArray(path, member, header.shape, header.dtype, header.is_fortran and len(header.shape) > 1)


def _length(path: Path, member: str) -> int:
    """Return the bytes of an array's file. Raises: UserError for a member of an archive that is a decompression bomb."""
    if not member:
        return path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        packed = archive.getinfo(f"{member}.npy")
    if packed.file_size > SMALL and packed.file_size > LARGEST_RATIO * max(packed.compress_size, 1):
        raise UserError(
            f"{_name(path, member)}: unpacks from {packed.compress_size:,} to {packed.file_size:,} bytes, as no images or "
            "statistics do (a decompression bomb?)"
        )
    return packed.file_size


def _name(path: Path, member: str) -> str:
    return f"{path}/{member}" if member else str(path)


@contextmanager
def _opened(path: Path, member: str) -> Iterator[IO[bytes]]:
    try:
        if not member:
            with open_regular(path) as file:
                yield file
            return
        check_regular(path)
        with zipfile.ZipFile(path) as archive, archive.open(f"{member}.npy") as inside:
            yield inside
    except DAMAGE as error:
        raise UserError(f"{_name(path, member)}: damaged: {error}") from error


def _exactly(file: IO[bytes], count: int, name: str, *, is_last: bool = False) -> bytes:
    content = file.read(count + is_last)
    if len(content) != count:
        raise UserError(_WRONG_LENGTH.format(name))
    return content


def image_array(path: Path) -> StoredArray:
    """Return the array of images in a file: `arr_0`, or else the only array that could be one.

    Raises: UserError when there is none, when it holds no image, or when its axes are not (n, height, width[, 1 or 3]).
    """
    arrays = stored(path)
    candidates = [name for name, array in arrays.items() if len(array.shape) in (3, 4)]
    name = "arr_0" if "arr_0" in arrays else candidates[0] if len(candidates) == 1 else None
    if name is None:
        contents = ", ".join(f"{name or 'the array'} {array.shape}" for name, array in arrays.items()) or "nothing"
        raise UserError(f"{path}: no arr_0 with images, (n, height, width, channels) uint8; it has {contents}")
    _check_shape(arrays[name])
    return arrays[name]


def _check_shape(array: StoredArray) -> None:
    shape = array.shape
    if len(shape) not in (3, 4) or (len(shape) == 4 and shape[-1] not in (1, 3)):
        hint = "; channels come last: transpose(0, 2, 3, 1)" if len(shape) == 4 and shape[1] in (1, 3) else ""
        raise UserError(f"{array.name}: shape {shape}, and images are (n, height, width, 1 or 3) or (n, height, width){hint}")
    if math.prod(shape[1:3]) > LARGEST_PIXELS:
        raise UserError(f"{array.name}: images of {shape[2]}x{shape[1]} pixels; more than {LARGEST_PIXELS:,} are not read")
    if 0 in shape:
        raise UserError(f"{array.name}: no image in it, its shape is {shape}")


def images(path: Path, value_range: str | None = None) -> ImageSet:
    """Return the images of an .npz or .npy file as a set.

    Args:
        value_range: key of RANGES that says what floats mean; not used for uint8.
    Raises: UserError for another dtype, with advice that depends on the values; UserError for another layout, and for floats
    without a range. Reading the returned set raises UserError for a damaged file, and for floats that do not fit `value_range`.
    """
    array = image_array(path)
    is_float = array.dtype.kind == "f"
    if array.dtype != np.uint8 and not is_float:
        raise UserError(f"{array.name}: {array.dtype} values; {advice(array.dtype, array.blocks(BLOCK))}")
    if is_float and value_range is None:
        options = " or ".join(f"--range={text}" for text in RANGES)
        raise UserError(f"{array.name}: {array.dtype} values; say what they mean: {options}")
    float_range = value_range if is_float else None
    height, width = array.shape[1:3]
    shape = (array.shape[3] if len(array.shape) == 4 else 1, height, width)
    return ImageSet(str(path), array.shape[0], shape, lambda size: _batches(array, float_range, size))


def _batches(array: StoredArray, value_range: str | None, size: int) -> Iterator[Tensor]:
    """Yield the images as (B, C, H, W) uint8; `value_range` is None for an array of bytes."""
    low, high = (0.0, 255.0) if value_range is None else RANGES[value_range]
    count, smallest, largest = 0, high, low
    for block in array.blocks(size):
        values = block[..., None] if block.ndim == 3 else block
        smallest, largest = min(smallest, float(block.min())), max(largest, float(block.max()))
        if value_range is None:
            pixels = values
        else:
            # Image by image: the mapping makes several arrays of float64.
            mapped = (_to_bytes(values[at : at + 1], low, high, array.name, count + at) for at in range(len(values)))
            pixels = np.concatenate(list(mapped))
        yield torch.from_numpy(np.array(pixels.transpose(0, 3, 1, 2), order="C"))
        count += len(block)
    if value_range is not None:
        _check_range(array.name, value_range, smallest, largest)


def _check_range(name: str, value_range: str, smallest: float, largest: float) -> None:
    """Raises: UserError when all values fit a narrower range. The user then probably named the wrong range, and the images would
    come out too dark or too light."""
    low, high = RANGES[value_range]
    narrower = [text for text, (black, white) in RANGES.items() if low <= black <= smallest and largest <= white < high]
    narrower += [text for text, (black, white) in RANGES.items() if low < black <= smallest and white == high]
    if narrower:
        raise UserError(
            f"{name}: all values are in [{smallest:.4g}, {largest:.4g}], so --range {value_range} is hardly what they mean; say "
            f"--range={narrower[0]}, or store them as uint8 if it is"
        )


def _to_bytes(block: NDArray[Any], low: float, high: float, name: str, first: int) -> NDArray[np.uint8]:
    """Map values from [low, high] to [0, 255] and round them to the nearest byte, halves up, like `harness.images.quantise`.

    Args:
        first: index of the block's first image, for messages.
    Raises: UserError, which names the first image with values that are not finite or out of range.
    """
    values = block.astype(np.float64)
    slack = 1e-4 * (high - low)  # values may exceed the range by a rounding error of float32
    for is_bad, fault in (
        (~np.isfinite(values), "has values that are not finite"),
        ((values < low - slack) | (values > high + slack), f"has values outside of [{low:g}, {high:g}]"),
    ):
        rows = np.flatnonzero(is_bad.reshape(len(values), -1).any(1))
        if len(rows):
            raise UserError(f"{name}: image {first + int(rows[0])} {fault}")
    return np.clip(np.floor((values - low) * (255 / (high - low)) + 0.5), 0, 255).astype(np.uint8)
