"""Recognition of a path as one of the forms in which people have images."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.errors import UserError
from harness.images.decode import FORMATS
from harness.images.importing import cifar, webdataset
from harness.images.importing.array_sources import of_array
from harness.images.importing.image_file_sources import FOLDER_LABELS, NO_LABELS, is_celeba, of_celeba, of_files
from harness.images.importing.source import Source

FORMS = "a folder or a .zip of images, an .npz or .npy array, shards of webdataset (.tar), CIFAR-10's archive, CelebA's archive"
"""The forms, for messages."""


def source_of(path: Path, *, labels: str | None = None, value_range: str | None = None) -> Source:
    """Return the images that a path leads to.

    Args:
        path: a file or a folder; of webdataset also `data-{000..009}.tar`.
        labels: None to take them as the form has them; "none" for none; "folders" for those of folders; else a file's path.
        value_range: what floats of an array mean.
    Raises: UserError where nothing is there, where nothing readable is there, and for labels that do not fit.
    """
    if labels not in (None, NO_LABELS, FOLDER_LABELS) and not Path(labels).is_file():
        raise UserError(f"--labels {labels}: there is no such file; give one, or none, or folders")
    if shards := webdataset.shards_of(path):
        return webdataset.of_shards(path, shards, labels)
    if not path.exists():
        raise UserError(f"{path}: there is nothing")
    if labels is None and cifar.recognise(path):
        return cifar.of_archive(path)
    if labels is None and is_celeba(path):
        return of_celeba(path)
    return _of_suffix(path, labels, value_range)


def _of_suffix(path: Path, labels: str | None, value_range: str | None) -> Source:
    suffix = path.suffix.lower()
    if suffix in (".npz", ".npy") and path.is_file():
        return of_array(path, labels, value_range)
    if path.is_dir() or suffix == ".zip":
        return of_files(path, labels)
    advice = "put it into a folder, and give that" if suffix in FORMATS else f"a source is {FORMS}"
    raise UserError(f"{path}: no set of images; {advice}")


def found(name: str, folders: Sequence[Path], archives: Mapping[str, str]) -> Path:
    """Return the path that a user names: as it is, or else in one of the folders for data.

    Args: archives: names of published archives, and where a user gets each.
    Raises: UserError that names every place where nothing is, and where to get an archive that is published.
    """
    path = Path(os.path.expanduser(name))
    if path.exists() or webdataset.shards_of(path):
        return path
    places = [] if path.is_absolute() else [folder / name for folder in folders]
    for place in places:
        if place.exists():
            return place
    looked = ", ".join(map(str, [path.absolute(), *places]))
    advice = f". Get {archives[name]}, and put it into {folders[0]}" if name in archives else ""
    raise UserError(f"{name}: there is no such file or folder; looked for {looked}{advice}")
