"""Export of what a runs folder kept of a cell: weights as a file that boards read again, samples as images or arrays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from harness.errors import UserError
from harness.images.quantise import as_uint8
from harness.run import kept
from harness.stages.example_sets import draw_labels, draw_rows
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


def find_samples(
    record: Record, target: Path, runs: RunsFolder, *, draw: int, n: int | None, where: str
) -> tuple[Path, int, bool]:
    """Check that samples can be exported, before anything is written. The arguments are those of `export_samples`.

    Returns: their file, how many are to be written, and whether they are images. Raises: UserError, as `export_samples` does.
    """
    if target.exists():
        raise UserError(f"{target}: is there already; remove it first, or give another name")
    file = kept.samples_file(record, draw, runs, where=where)
    count, *shape = draw_rows(file, draw).shape
    if n is not None and n > count:
        raise UserError(f"--n {n}: draw {draw} of {where} has {count:,} samples")
    count = count if n is None else n
    is_image = len(shape) == 3 and shape[0] in (1, 3)
    if not is_image and target.suffix != ".npz":
        raise UserError(
            f"{target}: samples of shape {tuple(shape)} are no images; `harness export --samples NAME.npz` writes them"
        )
    return file, count, is_image


def export_samples(record: Record, target: Path, runs: RunsFolder, *, draw: int, n: int | None, where: str) -> int:
    """Write samples of the cell: as PNG files in a folder, or as the arrays of one .npz file.

    Args:
        draw: number of the evaluation draw. n: how many of its samples, from the first; None for all.
        where: path of the record, with which messages begin.
    Returns: how many samples were written. Raises: UserError when the runs folder does not hold them, or when they are no images
        and `target` is a folder; harness.Diverged for images that are not finite; StorageError.
    """
    file, count, is_image = find_samples(record, target, runs, draw=draw, n=n, where=where)
    with storage(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    if target.suffix == ".npz":
        _write_arrays(file, draw, count, target, is_image=is_image)
    else:
        write_images(file, draw, count, target)
    return count


def export_images(record: Record, folder: Path, runs: RunsFolder, *, draw: int, n: int | None, where: str) -> int:
    """Write images of the cell, the bytes that metrics saw, as PNG files named by number and label: 000012-7.png.

    Without labels the names are 000000.png, 000001.png, …. The arguments and errors are those of `export_samples`.
    """
    if folder.suffix == ".npz":
        raise UserError(f"{folder}: names an array; images go into a folder")
    file, count, _ = find_samples(record, folder, runs, draw=draw, n=n, where=where)
    with storage(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
    write_images(file, draw, count, folder, draw_labels(file, draw))
    return count


def write_images(file: Path, draw: int, count: int, target: Path, labels: Tensor | None = None) -> None:
    """Write the images 000000.png, 000001.png, … into a new folder; with labels 000000-LABEL.png and so on."""
    names = (f"{number:06}" if labels is None else f"{number:06}-{int(labels[number])}" for number in range(count))
    with appearing_folder(target) as folder:
        for part in _parts(file, draw, count):
            for image in _pixels(part):
                path = folder / f"{next(names)}.png"
                with storage(target):
                    Image.fromarray(image if image.shape[2] == 3 else image[..., 0]).save(path)


def _write_arrays(file: Path, draw: int, count: int, target: Path, *, is_image: bool) -> None:
    """Write the samples as `arr_0`, images as bytes (n, H, W, channels), and the labels as `arr_1`, as ADM's scripts do."""
    parts = [_pixels(part) if is_image else part.numpy() for part in _parts(file, draw, count)]
    arrays = [np.concatenate(parts)]
    if (labels := draw_labels(file, draw)) is not None:
        arrays.append(labels[:count].numpy())
    with appearing(target) as scratch, scratch.open("wb") as out:
        np.savez(out, *arrays)  # which calls them arr_0 and arr_1


def _parts(file: Path, draw: int, count: int) -> Iterator[Tensor]:
    stored = draw_rows(file, draw)
    for start in range(0, count, IMAGES_AT_ONCE):
        yield stored.read(start, min(count, start + IMAGES_AT_ONCE))


def _pixels(x: Tensor) -> NDArray[np.uint8]:
    """Return images, bytes or floats in [-1, 1], (n, channels, H, W), as bytes, (n, H, W, channels)."""
    return as_uint8(x).permute(0, 2, 3, 1).contiguous().numpy()
