"""Paths in settings: keys hold their text, so that two files under one text would share the results of one runs folder.

A note in the runs folder says which file each text stood for. A run refuses another file, unless its content is the same.
"""

from __future__ import annotations

import filecmp
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from harness.board.board import Board
from harness.board.components import Resolved
from harness.components import Component
from harness.errors import UserError
from harness.inner_components import InnerSampler
from harness.paths import BoardPath
from harness.store.files import write_text
from harness.store.keys import digest
from harness.store.reading import read_bytes
from harness.store.runs_folder import RunsFolder


@dataclass(frozen=True)
class SettingPath:
    """A path that the keys of some component's results hold.

    Args:
        component: title of the component, for messages.
        text: the path as keys hold it.
        file: the file or folder that the text stands for on this board, without symbolic links.
        note: the file that says what the text stood for when results were made.
    """

    component: str
    text: str
    file: Path
    note: Path

    def check(self, runs: RunsFolder) -> None:
        """Raises: UserError where results were made of another file under the same text, which is there and differs."""
        noted = self._noted()
        if (
            noted is not None
            and noted != self.file
            and noted.exists()
            and self.file.exists()
            and not _are_equal(noted, self.file)
        ):
            raise UserError(
                f"{self.component}: {self.text} is {self.file} here, and {runs.root} holds results of {noted}, which differs: "
                "both have the same keys; use another --runs-dir, or give one of the two another name"
            )

    def keep(self) -> None:
        """Note which file the text stands for. Raises: StorageError."""
        if self.file.exists() and self._noted() != self.file:
            write_text(self.note, json.dumps({"text": self.text, "file": str(self.file)}))

    def _noted(self) -> Path | None:
        """Return what the note says; None where there is none that can be read."""
        try:
            content = json.loads(read_bytes(self.note))
        except (OSError, ValueError, RecursionError):
            return None
        file = content.get("file") if isinstance(content, dict) else None
        return Path(file) if isinstance(file, str) else None


def checked(board: Board, runs: RunsFolder) -> list[SettingPath]:
    """Return the paths that keys of a board's cells and floors hold.

    Raises: UserError where results in the runs folder were made of another file under one of these paths.
    """
    parts = [cell.components for cell in board.cells] + [floor.components for floor in board.floors]
    paths = of_components({id(part): part for components in parts for part in components}.values(), runs)
    for path in paths:
        path.check(runs)
    return paths


def keep(paths: Iterable[SettingPath]) -> None:
    """Note which files the paths stand for, before results are made of them. Raises: StorageError."""
    for path in paths:
        path.keep()


def of_components(components: Iterable[Resolved[Component]], runs: RunsFolder) -> list[SettingPath]:
    """Return the paths that the identities of components hold, each once.

    A path that an identity leaves out changes no result: another setting pins the content.
    """
    found: dict[Path, SettingPath] = {}
    for part in components:
        paths = list(_paths(part.settings))
        texts = set(_texts(part.identity)) if paths else set()
        for path in paths:
            if path.text in texts:
                note = runs.setting_path(digest(component=part.component.title, identity=part.identity, text=path.text))
                found[note] = SettingPath(part.component.title, path.text, Path(os.path.realpath(path.path)), note)
    return list(found.values())


def _paths(value: object) -> Iterator[BoardPath]:
    """Yield the paths in settings, and in the settings of inner samplers."""
    if isinstance(value, BoardPath):
        yield value
    elif isinstance(value, InnerSampler):
        yield from _paths(value.config)
    elif isinstance(value, BaseModel):
        yield from _paths([part for _, part in value])
    elif isinstance(value, Mapping):
        yield from _paths(list(value.values()))
    elif isinstance(value, list | tuple | set | frozenset):
        for part in value:
            yield from _paths(part)


def _texts(identity: object) -> Iterator[str]:
    if isinstance(identity, str):
        yield identity
    elif isinstance(identity, Mapping):
        yield from _texts(list(identity.values()))
    elif isinstance(identity, list | tuple):
        for part in identity:
            yield from _texts(part)


def _are_equal(first: Path, second: Path) -> bool:
    """Return whether two files, or all files below two folders, have the same content. What cannot be read is not equal."""
    try:
        if first.is_dir() and second.is_dir():
            names = _names(first)
            return names == _names(second) and all(filecmp.cmp(first / name, second / name, shallow=False) for name in names)
        return filecmp.cmp(first, second, shallow=False)
    except OSError:
        return False


def _names(folder: Path) -> list[str]:
    """Return all files below a folder, by their paths from there."""
    return sorted(os.path.relpath(os.path.join(parent, name), folder) for parent, _, names in os.walk(folder) for name in names)
