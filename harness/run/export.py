"""Export of what a runs folder kept of a cell: weights as a file that boards read again, samples as images or arrays."""

from __future__ import annotations

import itertools
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from harness.errors import UserError
from harness.images.quantise import as_uint8
from harness.run import kept
from harness.run.kept import KeptExamples
from harness.store.files import appearing, appearing_folder, storage
from harness.store.records import Record
from harness.store.runs_folder import RunsFolder
from harness.weights import convert

IMAGES_AT_ONCE = 1_000
"""Images that are in memory at once."""


def check_weights_target(target: Path) -> None:
    """Raises: UserError when the name of the file of weights has another ending, or is taken."""
    if target.suffix != ".safetensors":
        raise UserError(f"{target}: the file of weights ends in .safetensors")
    if target.exists():
        raise UserError(f"{target}: is there already; remove it first")


def export_weights(record: Record, target: Path, runs: RunsFolder, *, where: str) -> int:
    """Write the weights of the cell's network as safetensors, with its model and settings in the header.

    Args:
        where: path of the record, with which messages begin.
    Returns: how many numbers were written. Raises: UserError when the runs folder does not hold them; StorageError.
    """
    check_weights_target(target)
    weights = kept.network_weights(record, runs, where=where)
    network = kept.network_of(record, weights, where=where)
    source = {"board": record.board, "cell": record.cell, "key": record.key, "sha256": record.weights_sha256}
    convert.write(weights, target, network, source=[source])
    return sum(value.numel() for value in weights.values())


def check_samples_target(target: Path) -> None:
    """Raises: UserError when the folder or the file of samples is there already."""
    if target.exists():
        raise UserError(f"{target}: is there already; remove it first, or give another name")


def check_examples(examples: KeptExamples, target: Path, n: int | None, *, where: str) -> None:
    """Check that examples can be exported, before anything is written. The arguments are those of `export_samples`.

    Raises: UserError, as `export_samples` does.
    """
    check_samples_target(target)
    count, *shape = examples.rows.shape
    if n is not None and n > count:
        raise UserError(f"--n {n}: {examples.title} of {where} has {count:,} samples")
    is_image = _are_images(examples)
    if not is_image and target.suffix != ".npz":
        raise UserError(
            f"{target}: samples of shape {tuple(shape)} are no images; `harness export --samples NAME.npz` writes them"
        )


def export_samples(examples: KeptExamples, target: Path, n: int | None, *, where: str) -> int:
    """Write samples of a cell: as PNG files in a folder, or as the arrays of one .npz file.

    Args:
        examples: which samples. n: how many of them, from the first; None for all.
        where: path of the record, for messages.
    Returns: how many samples were written. Raises: UserError when they are no images and `target` is a folder, and for a target
        that is there; harness.Diverged for images that are not finite; StorageError.
    """
    check_examples(examples, target, n, where=where)
    count = len(examples.rows) if n is None else n
    with storage(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    if target.suffix == ".npz":
        _write_arrays(examples, count, target)
    else:
        write_images(examples._replace(labels=None), count, target)
    return count


def export_images(examples: KeptExamples, folder: Path, n: int | None, *, where: str) -> int:
    """Write images of a cell, the bytes that metrics saw, as PNG files named by number and label: 000012-7.png.

    Without labels the names are 000000.png, 000001.png, …. The arguments and errors are those of `export_samples`.
    """
    if folder.suffix == ".npz":
        raise UserError(f"{folder}: names an array; images go into a folder")
    check_examples(examples, folder, n, where=where)
    count = len(examples.rows) if n is None else n
    with storage(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
    write_images(examples, count, folder)
    return count


def write_images(examples: KeptExamples, count: int, target: Path) -> None:
    """Write the images 000000.png, 000001.png, … into a new folder; with labels 000000-LABEL.png and so on."""
    labels = examples.labels
    names = (f"{number:06}" if labels is None else f"{number:06}-{int(labels[number])}" for number in range(count))
    with appearing_folder(target) as folder:
        for part in _parts(examples, count):
            for image in _pixels(part):
                path = folder / f"{next(names)}.png"
                with storage(target):
                    Image.fromarray(image if image.shape[2] == 3 else image[..., 0]).save(path)


def _write_arrays(examples: KeptExamples, count: int, target: Path) -> None:
    """Write the samples as `arr_0`, images as bytes (n, H, W, channels), and the labels as `arr_1`, as ADM's scripts do."""
    with appearing(target) as scratch, zipfile.ZipFile(scratch, "w") as archive:
        _write_array(archive, "arr_0", _arrays(examples, count), count)
        if examples.labels is not None:
            _write_array(archive, "arr_1", iter([examples.labels[:count].numpy()]), count)


def _arrays(examples: KeptExamples, count: int) -> Iterator[NDArray[np.generic]]:
    """Yield the samples in parts: images as bytes (n, H, W, channels), others as they are."""
    is_image = _are_images(examples)
    return (_pixels(part) if is_image else part.numpy() for part in _parts(examples, count))


def _write_array(archive: zipfile.ZipFile, name: str, parts: Iterator[NDArray[np.generic]], count: int) -> None:
    """Write an array of `count` rows as a member of an .npz archive, part by part; `numpy.savez` needs all of it in memory."""
    first = next(parts)
    header = {"descr": np.lib.format.dtype_to_descr(first.dtype), "fortran_order": False, "shape": (count, *first.shape[1:])}
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array_header_1_0(member, header)
        for part in itertools.chain([first], parts):
            member.write(part.tobytes())


def _are_images(examples: KeptExamples) -> bool:
    shape = examples.rows.shape
    return len(shape) == 4 and shape[1] in (1, 3)


def _parts(examples: KeptExamples, count: int) -> Iterator[Tensor]:
    for start in range(0, count, IMAGES_AT_ONCE):
        yield examples.rows.read(start, min(count, start + IMAGES_AT_ONCE))


def _pixels(x: Tensor) -> NDArray[np.uint8]:
    """Return images, bytes or floats in [-1, 1], (n, channels, H, W), as bytes, (n, H, W, channels)."""
    return as_uint8(x).permute(0, 2, 3, 1).contiguous().numpy()
