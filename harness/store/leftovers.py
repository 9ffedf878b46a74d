"""The next run removes what killed processes left in a runs folder, and what older versions left there; publishing, in a board's.

Only what is certain to be nobody's goes: files in whose name a process stands that is dead, or that others gave up.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from harness.process.host import ProcessId, is_dead_here
from harness.store.files import StorageError, scratch_owner
from harness.store.lease_files import holder, lease_name
from harness.store.runs_folder import TRACKED, RunsFolder
from harness.store.workers import GONE, SUFFIX


def remove(runs: RunsFolder) -> None:
    """Remove what is left of processes that are gone. What the system refuses to remove stays."""
    _remove_old(runs)
    marked = _with_ending(runs.workers, GONE)
    living = _with_ending(runs.workers, SUFFIX) - marked
    dead = {worker for worker in living if is_dead_here(worker)}
    gone = marked | dead
    _end_leases(runs, gone)
    processes = _processes(gone) - _processes(living - dead)
    for path in _scratch(runs.root):
        owner = scratch_owner(path.name)
        if owner is not None and (is_dead_here(str(owner)) or (owner.identity, owner.pid, owner.start) in processes):
            _remove(path)
    for worker in gone:
        for ending in (SUFFIX, GONE):
            _remove(runs.workers / f"{worker}{ending}")


def remove_from(*folders: Path) -> None:
    """Remove half-written files of killed processes of this machine from these folders, which need not be there."""
    for folder in folders:
        for name in _names(folder):
            owner = scratch_owner(name)
            if owner is not None and is_dead_here(str(owner)):
                _remove(folder / name)


def _remove_old(runs: RunsFolder) -> None:
    """Remove what versions left that locked files: lock files, files of progress, half-written outputs."""
    _remove(runs.root / "progress")
    for pattern in ("leases/*.lock", "stages/*/.*.part", "work/*/.*.part"):
        for path in runs.root.glob(pattern):
            _remove(path)


def _end_leases(runs: RunsFolder, gone: set[str]) -> None:
    """End the leases of owners that are gone. Most of them nobody would ask for again."""
    folder = runs.lease("cell", "any").parent
    for name in filter(None, map(lease_name, _names(folder))):
        with suppress(StorageError):
            held = holder(folder / name)
            if held is not None and (held.owner in gone or is_dead_here(held.owner)):
                held.remove()


def _processes(workers: set[str]) -> set[tuple[str, int, int]]:
    """Return host, number and start of the processes of these workers: a process that was given up may be another worker now."""
    ids = (ProcessId.of(worker) for worker in workers)
    return {(process.identity, process.pid, process.start) for process in ids if process is not None}


def _scratch(root: Path) -> Iterator[Path]:
    """Yield the hidden files and folders below a runs folder, but for those in outputs, of trackers, and of smoke runs."""
    for path, folders, files in os.walk(root):
        folder = Path(path)
        yield from (folder / name for name in (*folders, *files) if name.startswith("."))
        if folder == root:
            folders[:] = [name for name in folders if name != "smoke"]
        elif folder == root / "trackers":
            folders[:] = [name for name in folders if name == TRACKED]
        elif folder.parent == root / "stages":
            folders.clear()
        else:
            folders[:] = [name for name in folders if scratch_owner(name) is None]


def _names(folder: Path) -> list[str]:
    with suppress(OSError):
        return os.listdir(folder)
    return []


def _with_ending(folder: Path, ending: str) -> set[str]:
    return {name.removesuffix(ending) for name in _names(folder) if name.endswith(ending)}


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)
