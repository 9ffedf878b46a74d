"""Where images come from: a path or the name of a dataset becomes sets of images, statistics, or both."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import yaml

from harness.components import Dataset
from harness.errors import Faults, UserError, nearest
from harness.images import arrays, files
from harness.images.fingerprint import fingerprint
from harness.images.sets import ImageSet
from harness.images.statistics_files import StatisticsFile, recognise
from harness.measure.requested import resolved
from harness.plugins import registry
from harness.stages import example_sets
from harness.stages.context import Context
from harness.store import outputs
from harness.store.records import load_record

Which = Mapping[str, object]
RANGE, IMAGES, AS_IMAGES = "--range", "--images", "--as-images"
OnProgress = Callable[[int], None]


@dataclass(frozen=True)
class Source:
    """Images, or statistics of them, or both.

    Args:
        name: as the user wrote it.
        kind: what it was found to be, for people.
        images: None for statistics alone.
        identify: looks at the images and gives what tells them from all others; for the keys of caches.
        statistics: where the file has them, they are what stands for the set; its images serve what they cannot.
        split: which images of a dataset.
        notes: what the reader of a number should know of it.
        uses: the options of `Reading` that had a say in it.
    """

    name: str
    kind: str
    images: ImageSet | None
    identify: Callable[[OnProgress], Which]
    statistics: StatisticsFile | None = None
    split: str = ""
    notes: tuple[str, ...] = field(default=())
    uses: frozenset[str] = frozenset()

    @property
    def n(self) -> int | None:
        """Number of images; None where only statistics are there, from a file that does not say it."""
        if self.statistics is not None:
            return self.statistics.n
        assert self.images is not None
        return self.images.n


@dataclass(frozen=True)
class Reading:
    """How sources are read.

    Args:
        images: how many to take of a dataset.
        value_range: what floats in arrays mean.
        as_images: take the images of a file that has statistics too.
    """

    images: int | None = None
    value_range: str | None = None
    as_images: bool = False

    def check_used(self, found: Sequence[Source]) -> None:
        """Raises: Faults for options that say something of none of the sources: whoever gave them means other numbers."""
        used = {option for source in found for option in source.uses}
        there = "; ".join(dict.fromkeys(f"{source.name} is a {source.kind}" for source in found))
        faults = [
            f"{option} is only for {meant}, and here is none: {there}. Leave {option.partition(' ')[0]} out"
            for is_given, option, meant in (
                (self.value_range is not None, f"{RANGE} {self.value_range}", "floats, in an .npz or .npy"),
                (self.images is not None, f"{IMAGES} {self.images}", "a dataset"),
                (self.as_images, AS_IMAGES, "an .npz, which may have statistics and images"),
            )
            if is_given and option.partition(" ")[0] not in used
        ]
        if faults:
            raise Faults(faults)


def sources(text: str, reading: Reading, at: Context, *, where: str) -> list[Source]:
    """What a path or name stands for; several where it is a sample set of several draws.

    A path is a folder of images, a .zip of them, an .npz or .npy array, a sample set of `harness run` (or the record of its
    cell), or a file of statistics.
    A dataset is NAME (its held-out draw 0), NAME@DRAW or NAME@train, or a mapping {name: …, settings}, with the same endings.
    Raises: UserError when it is nothing of that.
    """
    if not text.strip():
        raise UserError(f"{where}: is empty, and not taken for this folder; write . for that")
    try:
        return _found(text, reading, at, where)
    except PermissionError as error:
        raise UserError(f"{where} {text}: cannot be read: {error.strerror}; change its permissions") from error


def _found(text: str, reading: Reading, at: Context, where: str) -> list[Source]:
    path = Path(text)
    name, _, _ = text.partition("@")
    is_dataset = text.startswith("{") or name in registry().names("dataset")
    if path.exists() and is_dataset and path.parent == Path() and not text.startswith("./"):
        raise UserError(f"{where} {text}: is a dataset and a path; write ./{text} for the path, or run this elsewhere")
    if is_dataset:
        return [_dataset(text, reading, at, where)]
    if not path.exists():
        known = registry().names("dataset")
        hint = f"{nearest(name, known)}datasets: {', '.join(known)}"
        raise UserError(f"{where} {text}: no such file or folder, and no dataset; {hint}")
    return _stored(path, reading, where)


def _stored(path: Path, reading: Reading, where: str) -> list[Source]:
    if path.is_dir():
        return _samples(path) if (path / outputs.MANIFEST).is_file() else [_files(files.folder(path), "folder")]
    if path.suffix == ".zip":
        return [_files(files.archive(path), "zip")]
    if path.suffix == ".json":
        return _samples(_of_record(path))
    if path.suffix == ".safetensors":
        return _samples(path.parent) if (path.parent / outputs.MANIFEST).is_file() else _bare_samples(path)
    if path.suffix in (".npz", ".npy", ".pkl", ".pt", ".pth"):
        return [_arrays(path, reading)]
    raise UserError(
        f"{where} {path}: a {path.suffix or 'file without a suffix'} is nothing that is read here; give a folder or a .zip of "
        "images, an .npz or .npy array, a sample set, a record, or statistics (.npz, .pkl, .pt)"
    )


def _files(found: files.ImageFiles, what: str) -> Source:
    images = found.as_set()
    notes = [f"{found.name}: {found.ignored} other files beside the images are ignored"] if found.ignored else []
    if found.links:
        notes.append(f"{found.name}: {found.links} links to folders are not followed, and images behind them not measured")
    return Source(found.name, f"{what} of {found.form} images", images, _by_pixels(images), notes=tuple(notes))


def _by_pixels(images: ImageSet) -> Callable[[OnProgress], Which]:
    return lambda on_progress: {"pixels": fingerprint(images, on_progress)}


def _known(which: Which) -> Callable[[OnProgress], Which]:
    return lambda _: which


def _arrays(path: Path, reading: Reading) -> Source:
    found = None if reading.as_images and path.suffix == ".npz" else recognise(path)
    if found is None:
        images = arrays.images(path, reading.value_range)
        return Source(str(path), f"{path.suffix} array", images, _by_pixels(images), uses=_used(path, has_images=True))
    with_images = path.suffix == ".npz" and "arr_0" in arrays.stored(path)
    images_too = arrays.images(path, reading.value_range) if with_images else None
    notes = [f"{path}: statistics, {found.form}"]
    if images_too is not None:
        notes.append(f"{path}: moments are the file's own, and rows of features are of its {images_too.n:,} images")
    if found.metadata is None:
        notes.append(f"{path}: does not say which extractor made its statistics, nor of how many images; only their size fits")
    return Source(
        str(path), f"statistics ({found.form})", images_too,
        _by_pixels(images_too) if images_too is not None else _known({}), found, notes=tuple(notes),
        uses=_used(path, has_images=with_images),
    )  # fmt: skip


def _used(path: Path, *, has_images: bool) -> frozenset[str]:
    floats = {RANGE} if has_images and arrays.image_array(path).dtype.kind == "f" else set()
    return frozenset(floats | ({AS_IMAGES} if path.suffix == ".npz" else set()))


def _samples(folder: Path) -> list[Source]:
    """Each draw of a sample set that `harness run` stored."""
    output = outputs.read(folder)
    if example_sets.SAMPLES not in output.files:
        raise UserError(f"{folder}: the output of a stage that is no sample set: it has no {example_sets.SAMPLES}")
    made = cast(list[str], output.facts["draws_sha256"])
    return [
        Source(
            f"{folder}, draw {draw}", "sample set",
            _of_images(example_sets.stored_images(folder / example_sets.SAMPLES, draw), str(folder)),
            _known({"generated": one}),
        )
        for draw, one in enumerate(made)
    ]  # fmt: skip


def _of_record(path: Path) -> Path:
    """The folder of the sample set that a cell's record tells of, in the runs folder that the record is in."""
    record = load_record(path)
    for manifest in sorted(path.resolve().parents[2].glob(f"stages/sample/*/{outputs.MANIFEST}")):
        facts_of_set = json.loads(manifest.read_bytes()).get("facts", {})
        if record.samples_sha256 and facts_of_set.get("samples_sha256") == record.samples_sha256:
            return manifest.parent
    raise UserError(f"{path}: the samples of this record are not there; give a record in the runs folder that made them")


def _bare_samples(path: Path) -> list[Source]:
    """Tensors x.0, x.1, …, of images in [-1, 1], in a file alone."""
    from harness.weights.tensor_file import shapes

    draws = sorted(int(name[2:]) for name in shapes(path, where=str(path)) if name.startswith("x.") and name[2:].isdecimal())
    if not draws:
        raise UserError(f"{path}: no sample set: it has no tensors x.0, x.1, …")
    found = [(draw, _of_images(example_sets.stored_images(path, draw), str(path))) for draw in draws]
    return [Source(f"{path}, draw {draw}", "sample set", images, _by_pixels(images)) for draw, images in found]


def _of_images(images: ImageSet, name: str) -> ImageSet:
    if len(images.shape) != 3 or images.shape[0] not in (1, 3):
        raise UserError(f"{name}: samples of shape {images.shape} are no images")
    return images


def _dataset(text: str, reading: Reading, at: Context, where: str) -> Source:
    named, split = _split(text, where)
    dataset = resolved(Dataset, *named, where=where)
    dataset.component.check_readiness(dataset.settings)
    source = at.dataset(dataset)
    if source.spec.preview != "images":
        raise UserError(f"{where} {text}: holds points and no images")
    draw = None if split == "train" else int(split)
    if draw is None:
        count = reading.images or len(source.training_data(at.device))
    else:
        largest = source.largest_evaluation
        count = reading.images or largest or 0
        if count == 0:
            raise UserError(f"{where} {text}: say how many images to take of it, with --images N")
        try:
            source.evaluation(draw, count)
        except ValueError as error:
            raise UserError(f"{where} {text}: {error}; take fewer with --images N") from error
    images, which = example_sets.RealExamples(source, draw, count, at.device).images()
    if images.n < count:
        raise UserError(f"{where} {text}: {images.n} training images, and --images {count}")
    said = "training images" if draw is None else f"held-out images, draw {draw}"
    return Source(text, f"dataset, {said}", images, _known(which), split=said, uses=frozenset({IMAGES}))


def _split(text: str, where: str) -> tuple[tuple[str, Mapping[str, object]], str]:
    """Name and settings, and `train` or the number of a draw."""
    head, at_sign, split = text.rpartition("@")
    if not at_sign:
        head, split = text, "0"
    if split != "train" and not split.isdecimal():
        raise UserError(f"{where} {text}: after @ stands train, or the number of a held-out draw")
    if not head.startswith("{"):
        return (head, {}), split
    try:
        mapping = yaml.safe_load(head)
    except yaml.YAMLError as error:
        raise UserError(f"{where} {text}: no YAML mapping such as {{name: corrupted, blur: 1.0}}") from error
    if not isinstance(mapping, dict) or not isinstance(mapping.get("name"), str):
        raise UserError(f"{where} {text}: a dataset with settings is a mapping with its name, {{name: corrupted, blur: 1.0}}")
    return (str(mapping.pop("name")), mapping), split


def facts(source: Source, which: Which) -> dict[str, object]:
    """What JSON says of a source."""
    found: dict[str, object] = {"source": source.name, "kind": source.kind, "n": source.n}
    if source.images is not None:
        found |= {"images": source.images.n, "shape": list(source.images.shape)}
    if source.split:
        found["split"] = source.split
    if source.statistics is not None and source.statistics.metadata is not None:
        found["statistics_of"] = source.statistics.metadata.model_dump(mode="json")
    return found | {key: value for key, value in which.items() if key in ("pixels", "fingerprint", "generated")}
