"""The site of a run that goes on: made anew when records or training logs change, with the curves of trainings under way."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.board.board import Board
from harness.board.cells import Cell
from harness.board.log_files import LogFile, base_logs, cell_log
from harness.errors import UserError
from harness.report.board_previews import BoardPreviews, real_preview, sampled_preview, shown_cells
from harness.report.collect import Collection
from harness.report.preview import Preview
from harness.report.render import Rendered, render_runs
from harness.report.unfailing import unfailing
from harness.site.charts import Chart, ChartGroup
from harness.site.record_charts import log_charts_of
from harness.site.site import Site, site_of
from harness.store import progress
from harness.store.runs_folder import RunsFolder
from harness.training.training_log import LogLine, read_log

log = logging.getLogger(__name__)
HEADING = "Trainings under way"
CAPTION = "What the trainings that have no record yet have logged so far, a line a training; as they logged it, not over seeds."


@dataclass
class LiveSite:
    """The site of boards whose records are in a runs folder.

    Args:
        describe: gives the line that says what a process does.
        site: as it was made last.
        version: changes whenever the site does.
        fault: why the site could not be made anew; empty where it could. The site before it stays.
    """

    boards: Sequence[Board]
    runs: RunsFolder
    describe: Callable[[progress.Progress], str]
    site: Site = field(default_factory=lambda: Site({}))
    version: str = ""
    fault: str = ""

    def __post_init__(self) -> None:
        self._previews = [_Previews() for _ in self.boards]

    def refresh(self) -> bool:
        """Make the site anew if anything of the run has changed. Returns: whether it did. Raises: UserError the first time."""
        version = self._version()
        if version == self.version:
            return False
        try:
            self.site = self._made()
            self.fault = ""
        except UserError as error:
            if not self.version:
                raise
            self.fault = str(error)
        self.version = version
        return True

    def running(self) -> list[str]:
        """Return a line for each job that runs now."""
        return [self.describe(each) for each in progress.read(self.runs)]

    def _made(self) -> Site:
        rendered, under_way = [], {}
        for board, previews in zip(self.boards, self._previews, strict=True):
            rendered.append(render_runs(board, self.runs, previews))
            under_way[board.name] = trainings_under_way(rendered[-1], self.runs)
        return site_of(rendered, self.runs, under_way=under_way)

    def _version(self) -> str:
        """Return a hash of names, sizes and times of all files that the site is made from."""
        digest = hashlib.sha256()
        for path in sorted(self._watched()):
            try:
                status = os.stat(path)
            except OSError:
                continue
            digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\0".encode(errors="surrogateescape"))
        return digest.hexdigest()[:16]

    def _watched(self) -> Iterator[Path]:
        for board in self.boards:
            yield board.folder / "board.yaml"
            folder = self.runs.records(board.name)
            if folder.is_dir():
                yield from folder.iterdir()
            for _, training in _trainings(board):
                yield training.sources(self.runs)[1]


def trainings_under_way(rendered: Rendered, runs: RunsFolder) -> ChartGroup:
    """Return the charts of what trainings without a record have logged so far; no charts where there is none."""
    collection = rendered.content.collection
    logs: dict[str, list[LogLine]] = {}
    for name, training in _trainings(collection.board):
        if name not in collection.records and (lines := read_log(training.sources(runs)[1], training.training_key)):
            logs[name] = lines
    charts: list[Chart] = log_charts_of(logs)
    return ChartGroup("under-way", HEADING, CAPTION, tuple(charts))


def _trainings(board: Board) -> Iterator[tuple[str, LogFile]]:
    """Yield the trainings of a board that write a log, each once: of its bases and of its cells."""
    for base in board.bases:
        for training in base_logs(base):
            yield f"base {base.full_name}", training
    seen: set[str] = set()
    for cell in board.cells:
        training_of_cell = cell_log(cell) if cell.skip_reason is None else None
        if training_of_cell is not None and training_of_cell.training_key not in seen:
            seen.add(training_of_cell.training_key)
            yield cell.name, training_of_cell


class _Previews:
    """Makes the previews of one board, and keeps those of sample sets that it has made."""

    def __init__(self) -> None:
        self._real: Preview | None = None
        self._has_real = False
        self._rows: dict[str, Preview] = {}

    def __call__(self, collection: Collection, runs: RunsFolder) -> BoardPreviews:
        """Return the previews of the sample sets in a runs folder. Whatever fails is in `unmade`, and the rest is made."""
        unmade: list[str] = []
        shown = shown_cells(collection)
        if shown and not self._has_real:
            self._has_real = True
            with unfailing(unmade, "no preview of real examples"):
                self._real = real_preview(collection.board)
        if self._real is None:
            return BoardPreviews(unmade=tuple(unmade))
        for row, cell in shown:
            if self._source(cell, collection) not in self._rows:
                with unfailing(unmade, f"no preview of {row.name}"):
                    self._keep(cell, collection, runs)
        rows = {row.name: self._rows.get(self._source(cell, collection)) for row, cell in shown}
        return BoardPreviews(self._real, {name: preview for name, preview in rows.items() if preview is not None}, tuple(unmade))

    def _keep(self, cell: Cell, collection: Collection, runs: RunsFolder) -> None:
        if (preview := sampled_preview(cell, collection, runs)) is not None:
            self._rows[self._source(cell, collection)] = preview

    @staticmethod
    def _source(cell: Cell, collection: Collection) -> str:
        return collection.records[cell.name].samples_sha256
