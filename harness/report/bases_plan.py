"""Plan which weights of pretrained bases stand beside a board's results, and copy them there. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.board.bases import Base
from harness.errors import UserError
from harness.report.base_copies import STAGE, copy, read_copy
from harness.report.collect import Collection
from harness.report.published_bases import bases_folder, misfit, names, steps_of, trained
from harness.store import outputs
from harness.store.files import remove_folder
from harness.store.manifests import MANIFEST
from harness.store.outputs import Output
from harness.store.runs_folder import RunsFolder


@dataclass(frozen=True)
class BasesPlan:
    """A plan of publishing the bases of a board; `apply` carries it out.

    Args:
        folder: the folder of the published bases.
        copies: outputs of the runs folder, by the name that each one's folder gets.
        removed: names of folders whose base is not the one that the records are of.
        remarks: a line for each base that is not published, with the reason.
    """

    folder: Path
    copies: Mapping[str, Output]
    removed: tuple[str, ...]
    remarks: tuple[str, ...]

    @property
    def megabytes(self) -> float:
        """The size of all copies, in 10⁶ bytes."""
        files = (output.folder / name for output in self.copies.values() for name in (MANIFEST, *output.files))
        return sum(file.stat().st_size for file in files) / 1e6

    def apply(self) -> None:
        """Copy and remove the folders. Each appears whole or not at all. Raises: StorageError."""
        for name in (*self.removed, *self.copies):
            remove_folder(self.folder / name)
        for name, output in self.copies.items():
            copy(output, self.folder / name)


def plan(merged: Collection, runs: RunsFolder, *, takes: bool) -> BasesPlan:
    """Plan to publish the bases of a board.

    Args:
        merged: the records that the board will have. Of a base that some of them start from, only their weights are published.
        takes: whether to take bases from the runs folder; else those that are published stay, as far as they fit the records.
    """
    folder = bases_folder(merged.board)
    found: dict[str, Output | None] = {}
    remarks: list[str] = []
    keys: set[str] = set()
    for stem, base in trained(merged.board).items():
        for name, step in steps_of(stem, base):
            if step.key in keys:
                break  # another base shares the step, and has it
            source = _source(folder / name, step, merged, runs if takes else None)
            if not isinstance(source, str):
                found[name] = source.copied
                keys.add(step.key)
                break
            if step is base and takes:
                remarks.append(f"base {base.full_name} is not published: {source}")
    copies = {name: output for name, output in found.items() if output is not None}
    # What has no manifest is somebody's own.
    removed = tuple(name for name in names(folder) if name not in found and (folder / name / MANIFEST).is_file())
    return BasesPlan(folder, copies, removed, tuple(remarks))


@dataclass(frozen=True)
class _Source:
    """Where a base that is published comes from: an output of the runs folder, or None where the published one stays."""

    copied: Output | None


def _source(published_folder: Path, base: Base, merged: Collection, runs: RunsFolder | None) -> _Source | str:
    """Return where a base is taken from, or why it is not published.

    Args:
        runs: the runs folder that bases are taken from; None where none are.
    """
    published = _whole(published_folder, base)
    found = None if runs is None else outputs.find(runs, STAGE, base.key)
    fault = None if found is None else misfit(found, base, merged)
    if found is not None and fault is None:
        is_there = published is not None and (published.files, published.facts) == (found.files, found.facts)
        return _Source(None if is_there else found)
    if published is not None and misfit(published, base, merged) is None:
        return _Source(None)
    return fault or f"{'the runs folder' if runs is None else runs.root} does not have it"


def _whole(folder: Path, base: Base) -> Output | None:
    """Return the published base in a folder; None where it is absent, damaged or another one."""
    try:
        return read_copy(folder, base.key)
    except UserError:
        return None
