"""Outputs of stages: a folder under a key, whole or absent, with a manifest that holds the hash of each file."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UserError
from harness.store.files import appearing_folder, set_aside, storage
from harness.store.keys import file_sha256
from harness.store.lease import lease
from harness.store.runs_folder import RunsFolder

log = logging.getLogger(__name__)
MANIFEST = "manifest.json"
SHORT_SECONDS = 0.5
"""What took less to make is not synced: a board of 1,000 short cells would wait for the disk most of its time."""
_DAMAGE = (OSError, ValueError, KeyError, TypeError)
"""What reading a damaged output can raise."""


@dataclass(frozen=True)
class Output:
    """A finished stage.

    Args:
        folder: where its files are.
        facts: the JSON values that it gave.
        files: sha256 of each file, by name.
        is_fresh: True when this call made it, False when it was found.
    """

    folder: Path
    facts: Mapping[str, object]
    files: Mapping[str, str]
    is_fresh: bool


def find(layout: RunsFolder, stage: str, key: str) -> Output | None:
    """The output if it is there and undamaged."""
    folder = layout.stage(stage, key)
    try:
        return _read(folder) if folder.is_dir() else None
    except _DAMAGE:
        return None


def once(
    layout: RunsFolder, stage: str, key: str, make: Callable[[Path], Mapping[str, object]], *, resumes: bool = False
) -> Output:
    """The output under the key, made by `make(folder)` if nobody has made it; at most one process makes it at a time.

    `make` writes files into the folder and returns facts. If it raises, nothing is kept. A damaged output is renamed,
    reported, and made again.

    Args:
        resumes: `make` goes on from checkpoints, so that a short time of its own may end a long one of work.
    """
    if (found := find(layout, stage, key)) is not None:
        return found
    with lease(layout.lease(stage, key), wait=True):
        final = layout.stage(stage, key)
        if (found := _found_or_set_aside(final)) is not None:
            return found
        with appearing_folder(final, synced_after=0.0 if resumes else SHORT_SECONDS) as scratch:
            facts = dict(make(scratch))
            with storage(final):
                files = {file.name: file_sha256(file) for file in sorted(scratch.iterdir())}
                manifest = {"stage": stage, "key": key, "facts": facts, "files": files}
                (scratch / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")
        return Output(final, facts, files, True)


def _found_or_set_aside(folder: Path) -> Output | None:
    """As `find`, with the lease in hand: nobody else can be looking at the folder in order to rename it."""
    if not folder.is_dir():
        return None
    try:
        return _read(folder)
    except _DAMAGE as error:
        log.warning("%s is damaged (%s); set aside as %s, made again", folder, error, set_aside(folder).name)
        return None


def read(folder: Path) -> Output:
    """The output in a folder. Raises: UserError when none is there, or it is damaged."""
    try:
        return _read(folder)
    except _DAMAGE as error:
        raise UserError(f"{folder}: no undamaged output of a stage: {error}") from error


def _read(folder: Path) -> Output:
    manifest = json.loads((folder / MANIFEST).read_bytes())
    files = dict(manifest["files"])
    for name, expected in files.items():
        if file_sha256(folder / name) != expected:
            raise ValueError(f"{name} does not match its checksum")
    return Output(folder, manifest["facts"], files, False)
