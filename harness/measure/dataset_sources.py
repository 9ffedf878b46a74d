"""Datasets as sources: a held-out draw, or training images, of a dataset that a plugin provides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.board.reading.yaml_file import parse_value
from harness.components import Dataset
from harness.errors import UserError
from harness.measure.image_source import ImageSource, identified_as
from harness.measure.named_components import resolve
from harness.measure.reading_options import IMAGES, ReadingOptions
from harness.stages.checked import CheckedSource
from harness.stages.context import Context
from harness.stages.example_sets import RealExamples


@dataclass(frozen=True)
class DatasetRequest:
    """A dataset, and which of its images: what a text such as `digits@train` or `{name: corrupted, blur: 1.0}@0` asks for.

    Args:
        draw: number of a held-out draw; None for the training images.
    """

    name: str
    settings: Mapping[str, object]
    draw: int | None

    @property
    def split(self) -> str:
        """Text for readers that says which images of the dataset these are."""
        return "training images" if self.draw is None else f"held-out images, draw {self.draw}"


def dataset_source(text: str, options: ReadingOptions, context: Context, *, where: str) -> ImageSource:
    """Return images of a dataset as a source.

    Raises: UserError, beginning with `where` and the text, for an unknown dataset or setting, absent files, a dataset without
    images, and more images than the dataset gives.
    """
    request = parse_dataset(text, where=where)
    resolved = resolve(Dataset, request.name, request.settings, where=where)
    resolved.component.check_readiness(resolved.settings)
    source = context.dataset(resolved)
    if source.spec.preview != "images":
        raise UserError(f"{where} {text}: holds points and no images")
    count = _count(source, request, options, f"{where} {text}")
    images, identity, made_by = RealExamples(source, request.draw, count).images()
    if images.n < count:
        raise UserError(f"{where} {text}: {images.n} training images, and --images {count}")
    return ImageSource(
        text,
        f"dataset, {request.split}",
        images,
        identified_as(identity),
        split=request.split,
        options_used=frozenset({IMAGES}),
        sources=made_by,
    )


def _count(source: CheckedSource, request: DatasetRequest, options: ReadingOptions, where: str) -> int:
    """How many images to take. Raises: UserError when nobody says it, or when the dataset cannot give so many."""
    if request.draw is None:
        return options.images or len(source.training_set)
    count = options.images or source.largest_evaluation
    if not count:
        raise UserError(f"{where}: say how many images to take of it, with --images N")
    source.check_evaluation(request.draw, count)
    return count


def parse_dataset(text: str, *, where: str) -> DatasetRequest:
    """Read `NAME`, `NAME@DRAW` or `NAME@train`, where NAME may be a mapping of a name and settings.

    Raises: UserError, beginning with `where` and the text, for another ending or another mapping.
    """
    name, at_sign, split = text.rpartition("@")
    if not at_sign:
        name, split = text, "0"
    if split != "train" and not split.isdecimal():
        raise UserError(f"{where} {text}: after @ stands train, or the number of a held-out draw")
    draw = None if split == "train" else int(split)
    if not name.startswith("{"):
        return DatasetRequest(name, {}, draw)
    settings = _mapping(name, f"{where} {text}")
    return DatasetRequest(str(settings.pop("name")), settings, draw)


def _mapping(text: str, where: str) -> dict[str, object]:
    mapping = parse_value(text, where=f"{where}: no YAML mapping such as {{name: corrupted, blur: 1.0}}")
    if not isinstance(mapping, dict) or not isinstance(mapping.get("name"), str):
        raise UserError(f"{where}: a dataset with settings is a mapping with its name, {{name: corrupted, blur: 1.0}}")
    return mapping
