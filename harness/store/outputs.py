"""Outputs of stages. An output is a folder under a key; it is complete or absent. Its manifest holds the hash of each file."""

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
"""An output that took less time to make is not synced: else a board of 1,000 short cells would mostly wait for the disk."""
_DAMAGE = (OSError, ValueError, KeyError, TypeError)
"""The exceptions that reading a damaged output can raise."""


@dataclass(frozen=True)
class Output:
    """The output of a finished stage.

    Args:
        folder: the folder with its files.
        facts: JSON values that the stage returned.
        files: sha256 of each file, by name.
        is_fresh: True when this call made the output, False when it existed before.
    """

    folder: Path
    facts: Mapping[str, object]
    files: Mapping[str, str]
    is_fresh: bool


def find(runs: RunsFolder, stage: str, key: str) -> Output | None:
    """Return the output under the key, or None when it is absent or damaged."""
    folder = runs.stage(stage, key)
    try:
        return _read(folder) if folder.is_dir() else None
    except _DAMAGE:
        return None


def once(
    runs: RunsFolder, stage: str, key: str, make: Callable[[Path], Mapping[str, object]], *, resumes: bool = False
) -> Output:
    """Return the output under the key. If it does not exist, make it first; other processes that want it wait meanwhile.

    A damaged output is renamed, reported, and made again.

    Args:
        make: `make(folder)` writes the files into a folder and returns the facts. When it raises, nothing is kept.
        resumes: True when `make` goes on from checkpoints. A short call may then complete long work, so its output is always
            synced.
    Raises: StorageError; Interrupted when the user asks to stop while another process makes the output; what `make` raises.
    """
    if (existing := find(runs, stage, key)) is not None:
        return existing
    with lease(runs.lease(stage, key), wait=True):
        folder = runs.stage(stage, key)
        if (existing := _existing(folder)) is not None:
            return existing
        with appearing_folder(folder, synced_after=0.0 if resumes else SHORT_SECONDS) as scratch:
            facts = dict(make(scratch))
            with storage(folder):
                files = {file.name: file_sha256(file) for file in sorted(scratch.iterdir())}
                manifest = {"stage": stage, "key": key, "facts": facts, "files": files}
                (scratch / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")
        return Output(folder, facts, files, True)


def _existing(folder: Path) -> Output | None:
    """Return the output in a folder; None when the folder is absent, or when the output was damaged and is now renamed.

    The caller must hold the lease, so that no other process renames the folder at the same time.
    """
    if not folder.is_dir():
        return None
    try:
        return _read(folder)
    except _DAMAGE as error:
        log.warning("%s is damaged (%s); set aside as %s, made again", folder, error, set_aside(folder).name)
        return None


def read(folder: Path) -> Output:
    """Return the output in a folder. Raises: UserError when the folder holds none, or a damaged one."""
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
