"""Folders and zip archives of image files as sources: folders of classes, parts, flat sets, EDM's archives, CelebA."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from harness.errors import UserError
from harness.images import image_files, zip_archives
from harness.images.image_files import ImageFiles
from harness.images.importing.labelled import Labels, labelled
from harness.images.importing.labels import GROUND_TRUTH, LARGEST, LabelTable, edm_labels, read_labels
from harness.images.importing.layouts import Layout, layout
from harness.images.importing.source import TEST, TRAIN, VALIDATION, Source, SourceImage, listed
from harness.store.reading import read_bytes, read_text

EDM_LABELS = "dataset.json"
NO_LABELS, FOLDER_LABELS = "none", "folders"
"""The values of --labels that are no files."""
GROUND_TRUTHS = ("LOC_val_solution.csv", GROUND_TRUTH, f"ILSVRC2012_devkit_t12/data/{GROUND_TRUTH}")
"""Where the labels of ImageNet's validation images are looked for, from the folder of the images or one above it."""
CELEBA_ARCHIVE, CELEBA_FOLDER, CELEBA_PARTS = "img_align_celeba.zip", "img_align_celeba", "list_eval_partition.txt"
_CELEBA_NUMBERS = {"0": TRAIN, "1": VALIDATION, "2": TEST}


def of_files(path: Path, labels: str | None) -> Source:
    """Return the images of a folder or a zip archive.

    Args: labels: None to find them; "none" for none; "folders" for the folders' names; else the path of a file.
    Raises: UserError where there is no image, or the layout or the labels are not clear.
    """
    files = _files(path)
    arranged, table = _arranged(path, files, labels)
    arranged, found, remarks = labelled(arranged, table, str(path))
    if labels == FOLDER_LABELS and found[1] is None:
        raise UserError(f"{path}: --labels folders: no folder in it names a class")
    form = "images without labels" if found[1] is None else "images in folders of classes" if table is None else "labelled images"
    return _source(path, files, arranged, found, form, (*remarks, *_remarks(files)))


def _files(path: Path) -> ImageFiles:
    if path.is_dir():
        return image_files.folder(path, of_one_format=False)
    return image_files.archive(path, of_one_format=False)


def _arranged(path: Path, files: ImageFiles, labels: str | None) -> tuple[Layout, LabelTable | None]:
    """Return the layout of the files, and the table of the labels that no folder gives."""
    whole, by_folders = partial(layout, files.names, str(path), has_labels=True), partial(layout, files.names, str(path))
    if labels == NO_LABELS:
        return whole(), None
    if labels in (None, FOLDER_LABELS):
        content = _edm_labels(path) if labels is None else None
        if content is not None:
            return whole(), edm_labels(content, f"{path}/{EDM_LABELS}")
        arranged = by_folders(has_labels=False)
        return arranged, _ground_truth(path) if labels is None and _lacks_labels(arranged, VALIDATION) else None
    table = read_labels(Path(labels))
    arranged = whole()
    if len(arranged.parts) > 1 and (in_folders := by_folders(has_labels=False)).folder_classes[TRAIN] is not None:
        arranged = in_folders
    return arranged, table


def _lacks_labels(arranged: Layout, part: str) -> bool:
    """Whether a part lies in no folders of classes, and the training images do."""
    classes = arranged.folder_classes
    return part in classes and classes[part] is None and classes.get(TRAIN) is not None


def _ground_truth(path: Path) -> LabelTable | None:
    places = (folder / name for folder in (path, path.parent) for name in GROUND_TRUTHS)
    return next((read_labels(place) for place in places if place.is_file()), None)


def _edm_labels(path: Path) -> bytes | None:
    """Return the content of the dataset.json in a folder or an archive; None where there is none."""
    if path.is_dir():
        file = path / EDM_LABELS
        return read_bytes(file, largest=LARGEST) if file.is_file() else None
    member = zip_archives.members(path).get(EDM_LABELS)
    if member is None:
        return None
    if member.file_size > LARGEST:
        raise UserError(f"{path}/{EDM_LABELS}: larger than {LARGEST:,} bytes")
    with zipfile.ZipFile(path) as archive:
        try:
            return archive.read(member)
        except zip_archives.DAMAGE as error:
            raise UserError(f"{path}/{EDM_LABELS}: damaged inside the archive: {error}") from error


def _source(path: Path, files: ImageFiles, arranged: Layout, labels: Labels, form: str, remarks: tuple[str, ...] = ()) -> Source:
    names = arranged.names
    parts = tuple((part, len(members)) for part, members in arranged.parts.items())
    images, contents = partial(_images, files, names), partial(_contents, path, names)
    return Source(str(path), form, parts, labels[0], labels[1], images, listed(names), remarks, contents)


def _contents(path: Path, names: list[str]) -> str:
    """Return a hash of the length of each file of a folder, or of the checksum of each member of an archive."""
    if path.is_dir():
        return listed(str((path / name).stat().st_size) for name in names)
    members = zip_archives.members(path)
    return listed(str(members[name].CRC) for name in names)


def _images(files: ImageFiles, names: list[str], start: int) -> Iterator[SourceImage]:
    with files.opened() as read:
        for name in names[start:]:
            yield SourceImage(name, partial(read, name))


def _remarks(files: ImageFiles) -> Iterator[str]:
    if files.links:
        yield f"{files.name}: {files.links} links to folders are not followed"


def is_celeba(path: Path) -> bool:
    """Return whether a path is CelebA's archive of aligned images, or a folder with it, or a folder with what it holds."""
    return path.name == CELEBA_ARCHIVE or (path / CELEBA_ARCHIVE).is_file() or (path / CELEBA_FOLDER).is_dir()


def of_celeba(path: Path) -> Source:
    """Return CelebA's aligned images in their three parts, as list_eval_partition.txt beside them says.

    Raises: UserError where that file is absent, or names an image that is not there.
    """
    folder = path if path.is_dir() else path.parent
    images = (
        path if path.is_file() else next(place for place in (folder / CELEBA_ARCHIVE, folder / CELEBA_FOLDER) if place.exists())
    )
    files = _files(images)
    parts = _celeba_parts(folder / CELEBA_PARTS, {os.path.basename(name): name for name in files.names})
    arranged = Layout(parts, dict.fromkeys(parts))
    return _source(images, files, arranged, ((), None), "CelebA's aligned images")


def _celeba_parts(path: Path, names: dict[str, str]) -> dict[str, list[str]]:
    """Return the names of the images by part. names: the names in the archive, by the names of the files."""
    try:
        lines = [line.split() for line in read_text(path).splitlines() if line.strip()]
    except FileNotFoundError:
        raise UserError(
            f"{path}: is absent; it says which images are for training, validation and test. Get it from the folder Eval of "
            "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html and put it there; or import the folder of the images itself"
        ) from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    parts: dict[str, list[str]] = {part: [] for part in _CELEBA_NUMBERS.values()}
    for number, line in enumerate(lines, 1):
        if len(line) != 2 or line[1] not in _CELEBA_NUMBERS:
            raise UserError(f"{path}:{number}: expected a name and 0, 1 or 2")
        if line[0] not in names:
            raise UserError(f"{path}:{number}: {line[0]} is not among the images; get the archive and the list again")
        parts[_CELEBA_NUMBERS[line[1]]].append(names[line[0]])
    return {part: members for part, members in parts.items() if members}
