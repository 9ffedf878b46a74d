"""Sample sets as sources: those that `harness run` stored, by folder or by record, and tensors in a file alone."""

from __future__ import annotations

import re
from pathlib import Path

from harness.errors import UserError
from harness.images.decode import LARGEST_PIXELS
from harness.images.sets import ImageSet
from harness.measure.image_source import ImageSource, identified_as, identified_by_pixels
from harness.measure.sample_ranges import SampleRange
from harness.stages.example_sets import SAMPLES, draw_rows, stored_images
from harness.store import outputs
from harness.store.manifests import MANIFEST
from harness.store.records import load_record
from harness.store.runs_folder import RunsFolder
from harness.weights import tensor_file

_DRAW = re.compile(r"x\.(0|[1-9][0-9]{0,8})")
"""The name of the tensor that holds a draw. No two names mean one number."""


def is_stage_output(folder: Path) -> bool:
    """Whether a stage of `harness run` wrote the folder."""
    return (folder / MANIFEST).is_file()


def stored_draws(folder: Path) -> list[ImageSource]:
    """Return each draw of a sample set that `harness run` stored. Raises: UserError when the folder holds no sample set."""
    output = outputs.read(folder)
    if SAMPLES not in output.files:
        raise UserError(f"{folder}: the output of a stage that is no sample set: it has no {SAMPLES}")
    hashes = output.facts.get("kept_sha256") or output.facts.get("draws_sha256")
    if isinstance(hashes, list) and not output.is_sealed:  # an older version wrote them, and nothing vouches for them
        hashes = [draw_rows(folder / SAMPLES, draw).sha256("x") for draw in range(len(hashes))]
    if not isinstance(hashes, list):
        raise UserError(f"{folder}: does not hold the hash of each draw, so that an older version wrote it; run the cell again")
    return [
        ImageSource(
            f"{folder}, draw {draw}",
            "sample set",
            _checked_images(stored_images(output.folder / SAMPLES, draw), str(folder)),
            identified_as({"generated": sha256}),
        )
        for draw, sha256 in enumerate(hashes)
    ]


def sample_set_of_record(path: Path) -> Path:
    """Return the folder of the sample set that a cell was measured on, in the runs folder that holds the cell's record.

    Raises: UserError when the runs folder does not hold the sample set.
    """
    record = load_record(path)
    for runs_folder in path.resolve().parents[2:3]:  # of runs/records/BOARD/CELL.json; nothing for a path that is too short
        runs = RunsFolder(runs_folder)
        if record.samples_sha256 and (folder := outputs.folder_with(runs, "sample", "samples_sha256", record.samples_sha256)):
            return folder
    raise UserError(f"{path}: the samples of this record are not there; give a record in the runs folder that made them")


def draws_in_file(path: Path) -> list[ImageSource]:
    """Return each draw in a .safetensors file: the tensors x.0, x.1, … of images in [-1, 1].

    A model's samples may leave that range a little. Reading an image of another range raises UserError, unless the file is where
    `harness run` wrote it.
    Raises: UserError when the file has no such tensors, or they are no images.
    """
    names = tensor_file.shapes(path, where=str(path))
    draws = sorted(int(found[1]) for name in names if (found := _DRAW.fullmatch(name)))
    if not draws:
        raise UserError(f"{path}: no sample set: it has no tensors x.0, x.1, …")
    return [_draw_in_file(path, draw) for draw in draws]


def _draw_in_file(path: Path, draw: int) -> ImageSource:
    images, name = _checked_images(stored_images(path, draw), str(path)), f"{path}, draw {draw}"
    if path.name == SAMPLES and is_stage_output(path.parent):
        return ImageSource(name, "sample set", images, identified_by_pixels(images))
    rows, values = draw_rows(path, draw), SampleRange(name)
    checked = ImageSet.of_parts(
        images.name, images.n, images.shape, lambda start, stop: values.checked(rows.read(start, stop), start)
    )
    return ImageSource(name, "sample set", checked, identified_by_pixels(checked), notes_of_images=values.notes)


def _checked_images(images: ImageSet, name: str) -> ImageSet:
    if len(images.shape) != 3 or images.shape[0] not in (1, 3):
        raise UserError(f"{name}: samples of shape {images.shape} are no images")
    if 0 in (images.n, *images.shape):
        raise UserError(f"{name}: no image in it: {images.n} of shape {images.shape}")
    if images.shape[1] * images.shape[2] > LARGEST_PIXELS:
        raise UserError(f"{name}: images of shape {images.shape}; more than {LARGEST_PIXELS:,} pixels are not read")
    return images
