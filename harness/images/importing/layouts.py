"""Layouts of image files, which their names tell: the parts of a set, its classes, and the class of each image."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import PurePosixPath

from harness.errors import UserError
from harness.images.importing.source import ALL, TEST, TRAIN, VALIDATION, natural_order

PART_NAMES: Mapping[str, str] = {
    "train": TRAIN, "training": TRAIN, "val": VALIDATION, "valid": VALIDATION, "validation": VALIDATION, "test": TEST,
}  # fmt: skip
"""Names of folders that are parts of a set, and the part that each is."""
_NUMBERED = re.compile(r"(?:\d{5}/)?img\d{8}\.[a-z]+")
"""The names that EDM's dataset_tool.py gives: its folders hold a thousand images each, and are no classes."""
NO_CLASSES = "add --labels none to leave the labels out"


@dataclass(frozen=True)
class Layout:
    """The names of a set of image files, part by part.

    Args:
        parts: the names of the images of each part, in their order.
        folder_classes: for each part, the class of each image as its folder names it; None for a part without class folders.
    """

    parts: Mapping[str, Sequence[str]]
    folder_classes: Mapping[str, Sequence[str] | None]

    @property
    def names(self) -> list[str]:
        """All names, in the order of the parts."""
        return [name for names in self.parts.values() for name in names]

    @property
    def classes(self) -> list[str]:
        """The classes that folders name, in the order of their labels."""
        return natural_order(sorted({name for classes in self.folder_classes.values() for name in classes or ()}))

    def without(self, part: str) -> Layout:
        """Return the layout without a part."""
        rest = {name: names for name, names in self.parts.items() if name != part}
        return Layout(rest, {name: self.folder_classes[name] for name in rest})


def layout(names: Sequence[str], where: str, *, has_labels: bool) -> Layout:
    """Return the layout that names of image files have.

    Args:
        names: paths with slashes from the root of the set, sorted.
        where: the set, with which messages begin.
        has_labels: whether the labels stand elsewhere, or are not wanted, so that folders are no classes.
    Raises: UserError for two images of one name, and for names that are a mixture of layouts.
    """
    _check_unique(names, where)
    prefix = _common_folder(names)
    parts = _parts(names, prefix)
    if has_labels:
        return Layout(parts, dict.fromkeys(parts))
    prefixes = {part: prefix if part == ALL else _common_part(members, prefix) for part, members in parts.items()}
    classes = {part: _classes(members, prefixes[part], where, is_part=part != ALL) for part, members in parts.items()}
    return Layout(parts, classes)


def _check_unique(names: Sequence[str], where: str) -> None:
    """Raises: UserError for two images whose names differ in their suffixes alone: one of them is probably a copy."""
    seen: dict[str, str] = {}
    for name in names:
        stem = os.path.splitext(name)[0]
        if (other := seen.setdefault(stem, name)) != name:
            raise UserError(f"{where}: two images have one name, {other} and {name}; remove one of them, or rename it")


def _common_folder(names: Sequence[str]) -> str:
    """Return the folders above all images, with a slash at the end; "" where there are none."""
    first, last = names[0].split("/")[:-1], names[-1].split("/")[:-1]
    # Between the first and the last of sorted names no name can leave a folder that both are in.
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    return "".join(f"{folder}/" for folder, _ in pairs)


def _parts(names: Sequence[str], prefix: str) -> dict[str, list[str]]:
    """Return the names by part. Folders are parts where all have names of parts, and one of them is for training."""
    folders: dict[str, list[str]] = {}
    for name in names:
        folder, slash, _ = name[len(prefix) :].partition("/")
        folders.setdefault(folder if slash else "", []).append(name)
    found = [PART_NAMES.get(folder.lower()) for folder in folders]
    if TRAIN not in found or None in found or len(set(found)) != len(found):
        return {ALL: list(names)}
    parts = {PART_NAMES[folder.lower()]: members for folder, members in folders.items()}
    return {part: parts[part] for part in (TRAIN, VALIDATION, TEST) if part in parts}


def _common_part(names: Sequence[str], prefix: str) -> str:
    return prefix + names[0][len(prefix) :].split("/")[0] + "/"


def _classes(names: Sequence[str], prefix: str, where: str, *, is_part: bool) -> list[str] | None:
    """Return the class of each image of a part, or None where no folder names one.

    Args: prefix: the folders above the classes, with a slash at the end. is_part: whether one folder alone is a class, too.
    """
    short = [name[len(prefix) :] for name in names]
    if all(_NUMBERED.fullmatch(name) for name in short):
        return None
    folders = [PurePosixPath(name).parts[0] if "/" in name else "" for name in short]
    if all(not folder for folder in folders):
        return None
    if "" in folders:
        loose, deep = names[folders.index("")], next(name for name, folder in zip(names, folders, strict=True) if folder)
        raise UserError(
            f"{where}: {loose} lies beside a folder with images ({deep}), so that folders are no classes; {NO_CLASSES}, or "
            "put every image into the folder of its class"
        )
    return folders if is_part or len(set(folders)) > 1 else None
