"""From a runs folder to a board's `results`: current records, floors and previews, nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.board.board import Board
from harness.errors import UserError
from harness.report.collect import Collection, collect_published, collect_runs, floor_file, record_file
from harness.report.extractors import used
from harness.report.page import listed
from harness.report.preview import (
    REAL_FILE,
    Preview,
    make_previews,
    preview_file,
    read_published,
    save_preview,
    shown_cells,
)
from harness.store.files import appearing
from harness.store.runs_folder import RunsFolder


@dataclass(frozen=True)
class Publication:
    """What publishing would do.

    Args:
        copies: files of the runs folder by the name that they get.
        previews: files to write by name.
        kept: names of published files that stay, since their key is the board's and the runs folder has nothing better.
        removed: names of published files that no longer belong to the board.
        problems: what is missing or failed, for the user to read; publishing is refused unless it is to be partial.
    """

    folder: Path
    copies: Mapping[str, Path]
    previews: Mapping[str, Preview]
    kept: tuple[str, ...]
    removed: tuple[str, ...]
    problems: tuple[str, ...]

    def apply(self) -> None:
        """Write and remove the files; each appears whole or not at all."""
        for name, source in self.copies.items():
            with appearing(self.folder / name) as scratch:
                shutil.copyfile(source, scratch)
        for name, preview in self.previews.items():
            save_preview(preview, self.folder / name)
        for name in self.removed:
            (self.folder / name).unlink()


def plan(board: Board, layout: RunsFolder) -> Publication:
    """What publishing a board would do. Raises: UserError for smoke boards, damaged records, and records of an extractor with
    different weights. Imports torch."""
    if board.is_smoke:
        raise UserError(f"{board.name}: smoke records are never published; run the board without --smoke")
    folder = board.folder / "results"
    fresh, published = collect_runs(board, layout), collect_published(board, folder)
    _refuse_smoke(fresh)
    merged = _merged(fresh, published)
    used(merged)
    copies = _copies(board, layout, fresh, merged)
    previews = _previews(merged, layout)
    stays = {record_file(name) for name in (*merged.records, *published.stale)} | {floor_file(name) for name in merged.floors}
    stays |= {floor_file(name.removeprefix("floor of ")) for name in published.stale if name.startswith("floor of ")}
    stays |= set(previews) | _current_previews(merged, folder)
    there = {path.name for path in folder.glob("*.json")}
    return Publication(
        folder=folder,
        copies=copies,
        previews=previews,
        kept=tuple(sorted((there & stays) - set(copies) - set(previews))),
        removed=tuple(sorted(there - stays)),
        problems=tuple(_problems(merged)),
    )


def _refuse_smoke(fresh: Collection) -> None:
    smoke = [name for name, record in fresh.records.items() if record.is_smoke]
    smoke += [f"floor of {name}" for name, floor in fresh.floors.items() if floor.is_smoke]
    if smoke:
        raise UserError(f"{listed(smoke)}: made by a smoke run; smoke records are never published")


def _merged(fresh: Collection, published: Collection) -> Collection:
    """Fresh records over published ones; but what failed here does not replace what ended well elsewhere."""
    records = dict(published.records)
    for name, record in fresh.records.items():
        if record.status != "failed" or name not in records:
            records[name] = record
    return Collection(fresh.board, records, {**published.floors, **fresh.floors}, published.stale)


def _copies(board: Board, layout: RunsFolder, fresh: Collection, merged: Collection) -> dict[str, Path]:
    copies = {
        record_file(cell.name): layout.record(board.name, cell.name, cell.key)
        for cell in board.cells
        if cell.name in fresh.records and merged.records[cell.name] is fresh.records[cell.name]
    }
    for floor in board.floors:
        if floor.name in fresh.floors:
            copies[floor_file(floor.name)] = layout.floor(board.name, floor.name, floor.key)
    return copies


def _previews(merged: Collection, layout: RunsFolder) -> dict[str, Preview]:
    made = make_previews(merged, layout)
    if made.real is None:
        return {}
    found = {preview_file(row): made.rows[row.name] for row, _ in shown_cells(merged) if row.name in made.rows}
    return {REAL_FILE: made.real, **found}


def _current_previews(merged: Collection, folder: Path) -> set[str]:
    found = read_published(merged, folder)
    return {preview_file(row) for row, _ in merged.rows if row.name in found.rows} | ({REAL_FILE} if found.real else set())


def _problems(merged: Collection) -> list[str]:
    failed = [name for name, record in merged.records.items() if record.status == "failed"]
    missing = [cell.name for cell in merged.missing]
    problems: list[tuple[str, list[str]]] = [
        ("not run", missing),
        ("failed", failed),
        ("floor not run", merged.missing_floors),
    ]
    return [f"{len(names)} {what}: {listed(names)}" for what, names in problems if names]
