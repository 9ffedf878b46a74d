"""Outputs of stages. An output is a folder under a key; it is complete or absent.

Its manifest holds the stage, the key, the stage's facts and the hash of each file, under a checksum of its own. Manifests of
older versions have no checksum, so that nothing vouches for their facts: what needs no training to be made is made again.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UserError
from harness.process import stop
from harness.store.files import Damage, appearing_folder, reading, set_aside, storage
from harness.store.lease import lease
from harness.store.manifests import MANIFEST, read_manifest, write_manifest
from harness.store.reading import read_bytes
from harness.store.runs_folder import RunsFolder

log = logging.getLogger(__name__)
SHORT_SECONDS = 0.5
"""An output that took less time to make is not synced: else a board of 1,000 short cells would mostly wait for the disk."""
LATE_LOOKS, LATE_SECONDS = 600, 0.1
"""Looks, and seconds between two, for a folder that stands on the server: a client of a network's file system may keep for a
minute that it was not there."""
_FIELDS = frozenset({"stage", "key", "facts"})


@dataclass(frozen=True)
class Output:
    """The output of a finished stage.

    Args:
        folder: the folder with its files.
        facts: JSON values that the stage returned.
        files: sha256 of each file, by name.
        is_fresh: True when this call made the output, False when it existed before.
        is_sealed: False when an older version made the output, and nothing vouches for its facts. Its files are vouched for.
    """

    folder: Path
    facts: Mapping[str, object]
    files: Mapping[str, str]
    is_fresh: bool
    is_sealed: bool = True

    @property
    def stage(self) -> str:
        """The stage that made the output."""
        return self.folder.parent.name


def find(runs: RunsFolder, stage: str, key: str) -> Output | None:
    """Return the output under the key; None when it is absent, damaged, or without a checksum over its facts.

    Raises: StorageError when the system refuses to read it.
    """
    folder = runs.stage(stage, key)
    try:
        output = _read(folder) if is_there(folder) else None
    except Damage:
        return None
    return output if output is not None and output.is_sealed else None


def find_facts(runs: RunsFolder, stage: str, key: str) -> Mapping[str, object] | None:
    """Return the facts of the output under the key, whose other files are not read: they may be large, absent or damaged.

    Returns: None when the manifest is absent, damaged, or without a checksum. Raises: StorageError as `find` does.
    """
    folder = runs.stage(stage, key)
    try:
        output = _read(folder, compares_files=False) if is_there(folder) else None
    except Damage:
        return None
    return output.facts if output is not None and output.is_sealed else None


def folder_with(runs: RunsFolder, stage: str, fact: str, value: object) -> Path | None:
    """Return the folder of the first output of a stage that has a fact of this value; None without one.

    The folder may have any name, and its files may be damaged: `read` tells. A manifest that cannot be read has no facts.
    """
    return next((folder for folder, _ in folders_with(runs, stage, fact, value)), None)


def folders_with(runs: RunsFolder, stage: str, fact: str, value: object) -> Iterator[tuple[Path, object]]:
    """Yield the folder of each output of a stage that has a fact of this value, as `folder_with` does, and its key."""
    for manifest in sorted(runs.root.glob(f"stages/{stage}/*/{MANIFEST}")):
        content = _content(manifest)
        facts = content.get("facts")
        if isinstance(facts, dict) and facts.get(fact) == value:
            yield manifest.parent, content.get("key")


def _content(manifest: Path) -> Mapping[str, object]:
    """Return what a manifest holds; nothing of a damaged manifest, which may be another output's."""
    try:
        content = json.loads(read_bytes(manifest))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def once(
    runs: RunsFolder,
    stage: str,
    key: str,
    make: Callable[[Path], Mapping[str, object]],
    *,
    is_outdated: Callable[[Output], bool] = lambda _: False,
    resumes: bool = False,
    keeps_unsealed: bool = False,
    owner: str = "",
) -> Output:
    """Return the output under the key. If it does not exist, make it first; other processes that want it wait meanwhile.

    A damaged output is renamed, reported, and made again. Files of an output that is there are compared with their hashes once.

    Args:
        make: `make(folder)` writes the files into a folder and returns the facts. When it raises, nothing is kept.
        is_outdated: asked of an undamaged output whose facts have a checksum. Where it is outdated it is renamed, and made again.
        resumes: True when `make` goes on from checkpoints. A short call may then complete long work, so its output is always
            synced.
        keeps_unsealed: True when an output of an older version is kept, although nothing vouches for its facts. The caller then
            answers for them. False when it is made again.
        owner: name of the cell or base that the output is of, for messages; empty for what many share.
    Raises: StorageError, also when the system refuses to read the output; Interrupted when the user asks to stop while another
        process makes the output; what `make` raises.
    """
    if (existing := find(runs, stage, key)) is not None and not is_outdated(existing):
        return existing
    folder = runs.stage(stage, key)
    with lease(runs.lease(stage, key), wait=True):
        while (existing := _existing(folder, owner, is_outdated, keeps_unsealed=keeps_unsealed)) is None:
            with appearing_folder(folder, synced_after=0.0 if resumes else SHORT_SECONDS) as scratch:
                facts = dict(make(scratch))
                with storage(folder):
                    files = write_manifest(scratch, {"stage": stage, "key": key, "facts": facts})
                    inode = scratch.stat().st_ino
            if not _is_of_another_process(folder, inode):
                return Output(folder, facts, files, True)
        return existing


def _is_of_another_process(folder: Path, inode: int) -> bool:
    """Return whether another process, which had given this one up, was faster: then its facts are those that count."""
    for _ in range(LATE_LOOKS):
        try:
            return folder.stat().st_ino != inode
        except OSError:  # it is there, and this host does not know it yet
            stop.check()
            time.sleep(LATE_SECONDS)
    return True


def _existing(folder: Path, owner: str, is_outdated: Callable[[Output], bool], *, keeps_unsealed: bool) -> Output | None:
    """Return the output in a folder; None when the folder is absent, or when the output cannot be used and is now renamed.

    The caller must hold the lease, so that no other process renames the folder at the same time.
    """
    if not is_there(folder):
        return None
    what = f"{folder} of {owner}" if owner else str(folder)
    try:
        output = _read(folder)
    except Damage as damage:
        log.warning("%s is damaged (%s); set aside as %s, made again", what, damage, set_aside(folder).name)
        return None
    if output.is_sealed and is_outdated(output):
        set_aside(folder, "replaced")
        return None
    if output.is_sealed or keeps_unsealed:
        return output
    renamed = set_aside(folder, "replaced")
    log.warning("%s has no checksum (an older version made it); set aside as %s, made again", what, renamed.name)
    return None


def read(folder: Path) -> Output:
    """Return the output in a folder, whatever the folder is called now.

    Raises: UserError when the folder holds none, or a damaged one, or cannot be read.
    """
    try:
        return _of_manifest(folder)[0]
    except Damage as error:
        raise UserError(f"{folder}: no undamaged output of a stage: {error}") from error


def read_facts(folder: Path) -> Mapping[str, object]:
    """Return the facts of the output in a folder, whose other files are not read. Raises: UserError as `read` does."""
    try:
        return _of_manifest(folder, compares_files=False)[0].facts
    except Damage as error:
        raise UserError(f"{folder}: no undamaged output of a stage: {error}") from error


def is_there(folder: Path) -> bool:
    """Return whether a folder is there, whatever it holds. Raises: StorageError when the system refuses to say."""
    with reading(folder):
        return folder.is_dir()


def _read(folder: Path, *, compares_files: bool = True) -> Output:
    """Return the output in the folder of its stage and key. Raises: Damage; StorageError."""
    output, names = _of_manifest(folder, compares_files=compares_files)
    if names != (folder.parent.name, folder.name):
        raise Damage(f"{MANIFEST}: of another output: {'/'.join(map(str, names))}")
    return output


def _of_manifest(folder: Path, *, compares_files: bool = True) -> tuple[Output, tuple[object, object]]:
    """Return the output in a folder, with its stage and key as the manifest has them. Raises: Damage; StorageError."""
    manifest = read_manifest(folder, _FIELDS, compares_files=compares_files)
    stage, key, facts = (manifest.fields.get(name) for name in ("stage", "key", "facts"))
    if not isinstance(facts, dict):
        raise Damage(f"{MANIFEST}: no facts")
    return Output(folder, facts, manifest.files, is_fresh=False, is_sealed=manifest.is_sealed), (stage, key)
