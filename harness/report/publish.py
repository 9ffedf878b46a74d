"""Publish a board: copy its current records, floors and previews from a runs folder to the board's folder."""

from __future__ import annotations

import filecmp
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from harness.board.board import Board
from harness.board.log_files import SUFFIX
from harness.errors import UserError
from harness.report import bases_plan, published_logs
from harness.report.bases_plan import BasesPlan
from harness.report.board_previews import BoardPreviews, make_previews, read_published_previews
from harness.report.code_versions import check_code
from harness.report.collect import Collection, collect_published, collect_runs
from harness.report.extractor_versions import check_extractor_versions
from harness.report.phrases import listed
from harness.report.preview import Preview, save_preview
from harness.report.record_files import record_files
from harness.report.reference_files import check_reference_files
from harness.store import leftovers
from harness.store.board_folder import BoardFolder
from harness.store.files import appearing
from harness.store.record_names import RecordName
from harness.store.runs_folder import RunsFolder


@dataclass(frozen=True)
class Publication:
    """A plan of publishing a board; `apply` carries it out.

    Args:
        folder: the board's folder of results.
        copies: files of the runs folder by the name that they get.
        previews: previews to write by the file's name.
        kept: names of published files that stay: their record is current, or stale with nothing better in the runs folder.
        removed: names of published files that no longer belong to the board.
        unmade: a line for each preview that could not be made, with the reason.
        problems: what is missing or failed, for the user to read; the command refuses to publish them unless it is told to.
        bases: which weights of pretrained bases stand beside the results then.
    """

    folder: Path
    copies: Mapping[str, Path]
    previews: Mapping[str, Preview]
    kept: tuple[str, ...]
    removed: tuple[str, ...]
    unmade: tuple[str, ...]
    problems: tuple[str, ...]
    bases: BasesPlan

    def apply(self) -> None:
        """Write and remove the files; each file appears whole or not at all. Half-written ones of killed processes go."""
        leftovers.remove_from(self.folder, self.bases.folder)
        for name, source in self.copies.items():
            with appearing(self.folder / name) as scratch:
                shutil.copyfile(source, scratch)
        for name, preview in self.previews.items():
            save_preview(preview, self.folder / name)
        for name in self.removed:
            (self.folder / name).unlink()
        self.bases.apply()


def plan(board: Board, runs: RunsFolder, *, allow_mixed: bool = False, bases: bool = False) -> Publication:
    """Plan to publish a board; nothing is written yet. Imports torch.

    Args:
        allow_mixed: publish records of code that was edited; the page then says which records are of which code.
        bases: publish the weights of pretrained bases too. Those that are published stay in any case, as far as they fit.
    Raises: UserError for smoke boards, for damaged records, where a column would hold numbers of several versions of its
        extractor, and, unless `allow_mixed`, where records were made by code that was edited.
    """
    if board.is_smoke:
        raise UserError(f"{board.name}: smoke records are never published; run the board without --smoke")
    fresh, published = collect_runs(board, runs), collect_published(board)
    _refuse_smoke(fresh)
    merged = _merged(fresh, published)
    check_extractor_versions(merged)
    check_reference_files(merged)
    if not allow_mixed:
        check_code(fresh, published, merged)
    folder = BoardFolder(board.folder)
    records = _copies(fresh, merged, runs)
    copies = {**records, **published_logs.copies(board, runs, set(records))}
    made = make_previews(merged, runs, compares_files=True)
    previews = _preview_contents(merged, made)
    logs = published_logs.belonging(board, merged.stale, _replaced(folder, records))
    belonging = _record_files(merged) | _preview_files(merged) | set(previews) | logs
    present = {path.name for pattern in ("*.json", f"*{SUFFIX}") for path in folder.results.glob(pattern)}
    return Publication(
        folder=folder.results,
        copies=copies,
        previews=previews,
        kept=tuple(sorted((present & belonging) - set(copies) - set(previews))),
        removed=tuple(sorted(present - belonging - set(copies))),
        unmade=made.unmade,
        problems=tuple(_problems(merged)),
        bases=bases_plan.plan(merged, runs, takes=bases),
    )


def _refuse_smoke(fresh: Collection) -> None:
    smoke = [str(RecordName("cell", name)) for name, record in fresh.records.items() if record.is_smoke]
    smoke += [str(RecordName("floor", name)) for name, record in fresh.floors.items() if record.is_smoke]
    if smoke:
        raise UserError(f"{listed(smoke)}: made by a smoke run; smoke records are never published")


def _merged(fresh: Collection, published: Collection) -> Collection:
    """Put fresh records over published ones. A fresh record of a failed cell replaces no published record."""
    records = dict(published.records)
    for cell, outcome in fresh.records.items():
        if outcome.status != "failed" or cell not in records:
            records[cell] = outcome
    return replace(published, board=fresh.board, records=records, floors={**published.floors, **fresh.floors})


def _copies(fresh: Collection, merged: Collection, runs: RunsFolder) -> dict[str, Path]:
    """Return the runs folder's records that were merged, by the names of their published files."""
    copies: dict[str, Path] = {}
    for files in record_files(fresh.board, runs):
        record = fresh.find(files.record)
        if record is not None and merged.find(files.record) is record:
            copies[files.published.name] = files.run
    return copies


def _replaced(folder: BoardFolder, records: Mapping[str, Path]) -> set[str]:
    """Return the names of published records that get the content of another run."""
    published = {name: folder.results / name for name in records}
    return {name for name, path in published.items() if path.is_file() and not filecmp.cmp(path, records[name], shallow=False)}


def _preview_contents(merged: Collection, made: BoardPreviews) -> dict[str, Preview]:
    """Return the previews that were made of the samples in the runs folder, by the names of their published files."""
    folder = BoardFolder(merged.board.folder)
    if made.real is None:
        return {}
    rows = {folder.preview(row).name: preview for row, preview in made.rows.items()}
    return {folder.real_preview.name: made.real, **rows}


def _record_files(merged: Collection) -> set[str]:
    """Return the published files of all records that belong to the board; a stale record stays until there is a better one."""
    cells = {RecordName("cell", name) for name in merged.records}
    floors = {RecordName("floor", name) for name in merged.floors}
    return {name.file_name for name in cells | floors | set(merged.stale)}


def _preview_files(merged: Collection) -> set[str]:
    """Return the published previews that are of the records' sample sets."""
    folder, current = BoardFolder(merged.board.folder), read_published_previews(merged)
    real = {folder.real_preview.name} if current.real else set()
    return real | {folder.preview(row).name for row in current.rows}


def _problems(merged: Collection) -> list[str]:
    failed = [name for name, outcome in merged.records.items() if outcome.status == "failed"]
    unsealed = [name for name, outcome in merged.records.items() if outcome.unsealed]
    whole = f"(harness run {merged.board.folder} --fresh FILTER makes them whole)"
    names_of = {
        "not run": [cell.name for cell in merged.missing],
        "failed": failed,
        f"{'floor' if len(merged.missing_floors) == 1 else 'floors'} not run": merged.missing_floors,
        f"made of weights of an older version, whose costs and curve have no checksum {whole}": unsealed,
    }
    return [f"{len(names)} {problem}: {listed(names)}" for problem, names in names_of.items() if names]
