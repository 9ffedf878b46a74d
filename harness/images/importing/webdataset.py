"""Shards of webdataset as sources: tar archives whose members `KEY.jpg` and `KEY.cls` are an image and its label."""

from __future__ import annotations

import os
import re
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from harness.errors import UserError
from harness.images.decode import FORMATS
from harness.images.image_files import LARGEST_FILE
from harness.images.importing.image_file_sources import FOLDER_LABELS, NO_LABELS
from harness.images.importing.labelled import Labels, numbered
from harness.images.importing.labels import Label, read_labels
from harness.images.importing.source import ALL, Source, SourceImage, listed
from harness.store.reading import open_regular

CLASS = "cls"
LARGEST_LABEL = 64
"""Bytes of the longest label."""
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")


@dataclass(slots=True)
class Sample:
    """A sample as the headers of its members say: where its image stands, and its label."""

    shard: Path
    key: str
    suffix: str = ""
    offset: int = 0
    size: int = 0
    label: bytes | None = None


@dataclass
class _Samples:
    """The samples of all shards, by their keys."""

    where: str
    by_key: dict[str, Sample] = field(default_factory=dict)

    def at(self, shard: Path, key: str) -> Sample:
        sample = self.by_key.setdefault(key, Sample(shard, key))
        if sample.shard != shard:
            raise UserError(f"{self.where}: two images have one name, {key}: in {sample.shard.name} and {shard.name}; rename one")
        return sample


def shards_of(path: Path) -> list[Path]:
    """Return the tar files that a path means: a file, all of a folder, or those of `data-{000..009}.tar`; [] where it means none.

    Raises: UserError where a file of the range is absent.
    """
    if path.is_dir():
        return sorted(file for file in path.iterdir() if file.suffix == ".tar" and file.is_file())
    if (found := _RANGE.search(path.name)) is None:
        return [path] if path.suffix == ".tar" and path.is_file() else []
    first, last = found[1], found[2]
    names = [
        f"{path.name[: found.start()]}{number:0{len(first)}}{path.name[found.end() :]}"
        for number in range(int(first), int(last) + 1)
    ]
    absent = [name for name in names if not (path.parent / name).is_file()]
    if absent:
        raise UserError(f"{path.parent / absent[0]}: is absent; the range {found[0]} names {len(names)} files")
    return [path.parent / name for name in names]


def of_shards(path: Path, shards: Sequence[Path], labels: str | None) -> Source:
    """Return the images of webdataset's shards, in the order of the shards and of the members.

    Args: labels: None for those of the members `KEY.cls`; "none"; or the path of a file of labels.
    Raises: UserError for a damaged archive, a compressed one, a key that occurs twice, or labels that only some images have.
    """
    samples = _samples(str(path), shards)
    classes, numbers = _labels(str(path), samples, labels)
    form = f"{len(shards)} shards of webdataset" if len(shards) > 1 else "a shard of webdataset"
    listing = listed(f"{sample.shard.name} {sample.key} {sample.size}" for sample in samples)
    return Source(str(path), form, ((ALL, len(samples)),), classes, numbers, partial(_images, samples), listing)


def _samples(where: str, shards: Sequence[Path]) -> list[Sample]:
    found = _Samples(where)
    for shard in shards:
        try:
            with open_regular(shard) as file, tarfile.TarFile(fileobj=file) as archive:
                while (member := archive.next()) is not None:
                    if member.isreg():
                        _add(found, shard, member, archive)
                    vars(archive)["members"].clear()  # else it keeps every member of the shard, a kilobyte each
        except (tarfile.TarError, OSError, EOFError, ValueError) as error:
            raise UserError(
                f"{shard}: cannot be read as a tar archive: {error}; compressed shards are unpacked before (gunzip)"
            ) from error
    samples = [sample for sample in found.by_key.values() if sample.suffix]
    if not samples:
        raise UserError(f"{where}: no image in it; images of webdataset are members KEY{', KEY'.join(FORMATS)}")
    return samples


def _add(found: _Samples, shard: Path, member: tarfile.TarInfo, archive: tarfile.TarFile) -> None:
    """Add a member to its sample. Its key is its path up to the first dot of its name."""
    folder, name = os.path.split(member.name)
    stem, _, suffix = name.partition(".")
    if not stem:  # a hidden file
        return
    key, ending = os.path.join(folder, stem), f".{suffix.lower()}"
    if ending in FORMATS:
        sample = found.at(shard, key)
        if sample.suffix:
            raise UserError(f"{shard}: two images have one name, {key}{sample.suffix} and {key}.{suffix}; rename one of them")
        sample.suffix, sample.offset, sample.size = f".{suffix}", member.offset_data, member.size
    elif suffix.lower() == CLASS:
        if member.size > LARGEST_LABEL or (file := archive.extractfile(member)) is None:
            raise UserError(f"{shard}: {member.name} is no label, which has at most {LARGEST_LABEL} bytes")
        found.at(shard, key).label = file.read()


def _images(samples: Sequence[Sample], start: int) -> Iterator[SourceImage]:
    for sample in samples[start:]:
        yield SourceImage(f"{sample.shard.name}/{sample.key}{sample.suffix}", partial(_content, sample))


def _content(sample: Sample) -> bytes:
    name = f"{sample.shard.name}/{sample.key}{sample.suffix}"
    if sample.size > LARGEST_FILE:
        raise UserError(f"{name}: has {sample.size:,} bytes, as no image does")
    try:
        with open_regular(sample.shard) as file:
            content = os.pread(file.fileno(), sample.size, sample.offset)
    except OSError as error:
        raise UserError(f"{name}: cannot be read: {error.strerror}") from error
    if len(content) != sample.size:
        raise UserError(f"{name}: damaged: its archive ends before it does")
    return content


def _labels(where: str, samples: Sequence[Sample], labels: str | None) -> Labels:
    if labels == FOLDER_LABELS:
        raise UserError(f"{where}: --labels folders: shards have no folders of classes; their labels are members KEY.cls")
    if labels == NO_LABELS:
        return (), None
    if labels is not None:
        return numbered(read_labels(Path(labels)).of([f"{sample.key}{sample.suffix}" for sample in samples]), (), labels)
    bare = [sample for sample in samples if sample.label is None]
    if len(bare) == len(samples):
        return (), None
    if bare:
        raise UserError(f"{bare[0].shard}: no {bare[0].key}.cls, and other images have a label; add it, or add --labels none")
    return numbered([_label(sample) for sample in samples], (), where)


def _label(sample: Sample) -> Label:
    try:
        return int(sample.label or b"")
    except ValueError:
        raise UserError(f"{sample.shard}: {sample.key}.cls is no whole number") from None
