"""Plan which weights of pretrained bases stand beside a board's results, and copy them there. Imports no torch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.board.bases import Base
from harness.errors import UserError
from harness.report.base_copies import STAGE, copy, read_copy
from harness.report.collect import Collection
from harness.report.published_bases import bases_folder, has_records, misfit, names, possible, steps_of, trained
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
        removed: why a published base goes, by the name of its folder.
        remarks: a line for each base that is not published, or not replaced by the one of the runs folder, with the reason.
    """

    folder: Path
    copies: Mapping[str, Output]
    removed: Mapping[str, str]
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

    A published base that records start from stays. Steps, and bases that only samplers call, have no records that tell whether
    they fit: those that are published stay as long as any such base does.

    Args:
        merged: the records that the board will have. Of a base that some of them start from, only their weights are published.
        takes: whether to take bases from the runs folder.
    Raises: UserError where something of somebody's own stands in the place of a base.
    """
    bases = trained(merged.board)
    choice = _Choice(merged, runs, takes)
    first = {name: base for name, base in bases.items() if has_records(base, merged)}
    for name, base in first.items():
        choice.add(name, base)
    for name, base in bases.items():
        if name not in first:
            choice.add(name, base)
    for stem, base in bases.items():
        if stem not in choice.names:
            choice.add_step(stem, base)
    choice.check_places()
    nothing = ["no base of the board is pretrained: there are no weights to publish"] if takes and not bases else []
    return BasesPlan(choice.folder, choice.copies, choice.removed(), (*choice.remarks, *nothing))


@dataclass
class _Choice:
    """The bases that are chosen so far.

    Args:
        kept: names of published bases that stay.
        keys: of all chosen bases.
    """

    merged: Collection
    runs: RunsFolder
    takes: bool
    copies: dict[str, Output] = field(default_factory=dict)
    kept: set[str] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)
    remarks: list[str] = field(default_factory=list)
    stays: bool = False
    """Whether a published base stays that records start from."""

    @property
    def folder(self) -> Path:
        """The folder of the published bases."""
        return bases_folder(self.merged.board)

    @property
    def names(self) -> set[str]:
        """The names of all chosen bases."""
        return self.kept | self.copies.keys()

    def add(self, name: str, base: Base) -> None:
        """Choose a base, or say why it is not published."""
        fault = self._chosen(name, base)
        if fault is not None and self.takes:
            self.remarks.append(f"base {base.full_name} is not published: {fault}")

    def add_step(self, stem: str, base: Base) -> None:
        """Choose the last step of a base's pretraining that is there, unless another base shares it, and has it."""
        for name, step in steps_of(stem, base):
            if name != stem and (step.key in self.keys or self._chosen(name, step) is None):
                return

    def _chosen(self, name: str, base: Base) -> str | None:
        """Choose a base. Returns: why there is none to choose; None where one is chosen."""
        published = _whole(self.folder / name, base)
        found = outputs.find(self.runs, STAGE, base.key) if self.takes else None
        fits = published is not None and misfit(published, base, self.merged) is None
        fault = f"{self.runs.root} does not have it" if found is None else misfit(found, base, self.merged)
        told, is_same = has_records(base, self.merged), _are_same(found, published)
        if fits and (told or self.stays or is_same or found is None):
            self.kept.add(name)
            self.stays |= told
            if found is not None and not is_same:
                self.remarks.append(f"base {base.full_name}: the published weights stay, and {self.runs.root} has others")
        elif found is not None and fault is None:
            self.copies[name] = found
        else:
            return fault
        self.keys.add(base.key)
        return None

    def check_places(self) -> None:
        """Raises: UserError where a file, a link or a folder of somebody's own stands in the place of a base."""
        if os.path.lexists(self.folder) and not self.folder.is_dir():
            raise UserError(f"{self.folder}: a file stands where a folder must be; move it away")
        for name in self.copies:
            if os.path.lexists(self.folder / name) and not _is_base(self.folder / name):
                raise UserError(f"{self.folder / name}: no published base, and one must stand there; move it away")

    def removed(self) -> dict[str, str]:
        """Return why published bases go. What is damaged, and no base of ours takes its place, stays: `render` names it."""
        known = possible(self.merged.board)
        found = {}
        for name in names(self.folder):
            if name not in self.names and _is_base(self.folder / name) and (reason := self._fault(name, known.get(name))):
                found[name] = reason
        return found

    def _fault(self, name: str, base: Base | None) -> str | None:
        if base is None:
            return "no base of the board as it is now"
        try:
            published = read_copy(self.folder / name, base.key)
        except UserError:
            return None
        if published is None:
            return "of older settings"
        return misfit(published, base, self.merged) or "a step that no base needs any more"


def _is_base(folder: Path) -> bool:
    """Return whether a folder is one that was published, whatever it holds now."""
    return not folder.is_symlink() and (folder / MANIFEST).is_file()


def _are_same(first: Output | None, second: Output | None) -> bool:
    return first is not None and second is not None and (first.files, first.facts) == (second.files, second.facts)


def _whole(folder: Path, base: Base) -> Output | None:
    """Return the published base in a folder; None where it is absent, damaged or another one."""
    try:
        return read_copy(folder, base.key)
    except UserError:
        return None
