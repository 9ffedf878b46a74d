"""Run a board: which cells are there, which are to run, in which order, and how they ended. Imports no torch."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from harness.board.bases import Base, Examples, Network
from harness.board.board import Board
from harness.board.cells import Cell
from harness.board.columns import Floor
from harness.board.components import Resolved
from harness.components import Component, Executor
from harness.errors import Faults, Interrupted, UserError, noted
from harness.interfaces import Job, JobEnd
from harness.plugins import registry
from harness.process import stop
from harness.references import inner_samplers
from harness.stages.options import JobOptions
from harness.store.records import Record, load_floor, load_record, save_record, usable
from harness.store.runs_folder import RunsFolder

State = Literal["done", "diverged", "failed", "skipped", "to run"]
RETRY_SECONDS = 1.0
"""How often to look again at a cell that another process is running."""


@dataclass(frozen=True)
class CellState:
    """A cell and how it stands.

    Args:
        reason: why it is skipped, diverged or failed.
        record: of the current key; None when it is to run.
        seconds: what it took; for one to run an estimate from past records, None when there is no past.
    """

    cell: Cell
    state: State
    reason: str = ""
    record: Record | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class RunOptions:
    """How to run; nothing here changes a result."""

    jobs: int
    executor: str = "local"
    device: str = "auto"
    checkpoint_seconds: float = 30.0


@dataclass(frozen=True)
class RunEvent:
    """Something to tell the user: a cell or another job has ended, in `text`; `ended` of `total` jobs are over."""

    text: str
    ended: int
    total: int


def states(board: Board, cells: Sequence[Cell], layout: RunsFolder) -> list[CellState]:
    """How each cell stands, from the records under `layout`."""
    past = _Past(board, layout)
    return [_state(cell, layout, past) for cell in cells]


def _state(cell: Cell, layout: RunsFolder, past: _Past) -> CellState:
    if cell.skip_reason is not None:
        return CellState(cell, "skipped", cell.skip_reason)
    record = _record(cell, layout)
    if record is None:
        return CellState(cell, "to run", seconds=past.estimate(cell))
    return CellState(cell, cast(State, record.status), record.reason, record, _seconds(record))


def _record(cell: Cell, layout: RunsFolder) -> Record | None:
    return usable(layout.record(cell.board, cell.name, cell.key), load_record)


def _seconds(record: Record) -> float:
    costs = record.costs
    return costs.seconds_finetune + costs.seconds_sample + sum(metric.seconds for metric in record.metrics.values())


class _Past:
    """What cells of the same base and method took before, here or where the board was published."""

    def __init__(self, board: Board, layout: RunsFolder) -> None:
        self._board, self._layout = board, layout
        self._seconds: dict[tuple[str, str], list[float]] | None = None

    def estimate(self, cell: Cell) -> float | None:
        if self._seconds is None:
            self._seconds = self._read()
        seconds = self._seconds.get((cell.base.name, cell.method_name))
        return statistics.fmean(seconds) if seconds else None

    def _read(self) -> dict[tuple[str, str], list[float]]:
        found: dict[tuple[str, str], list[float]] = {}
        folders = [self._layout.records(self._board.name)]
        if not self._board.is_smoke:
            folders.append(self._board.folder / "results")
        for path in (path for folder in folders for path in sorted(folder.glob("*__s*.json"))):
            try:
                record = load_record(path)
            except UserError:
                continue
            if record.status == "done":
                found.setdefault((record.base, record.method), []).append(_seconds(record))
        return found


def run_board(
    board: Board,
    cells: Sequence[Cell],
    layout: RunsFolder,
    options: RunOptions,
    on_event: Callable[[RunEvent], None] = lambda _: None,
) -> list[CellState]:
    """Run all cells that have no record (failed ones are tried again), and the board's floors. Returns how all ended.

    Raises: Interrupted after Ctrl-C, when running jobs have saved their state; UserError when
    the disk refuses or the data are not what they declare.
    """
    if options.jobs < 1:
        raise UserError(f"--jobs {options.jobs}: need at least 1")
    component = registry().get(Executor, options.executor, where="--executor")
    layout.check_writable()
    before = states(board, cells, layout)
    for state in before:
        if state.state == "skipped":
            _write_skip(state.cell, layout)
    to_run = [state.cell for state in before if state.state in ("to run", "failed")]
    _check_packages(board, to_run)
    if faults := absent_files(board):
        raise Faults(faults)
    schedule = _Schedule(board, to_run, layout, options, on_event)
    if schedule.total:
        registry().listen("harness_run_started", board=board.name, cells=tuple(to_run))
        stop.on_signals()
        executor = component.create(component.config())
        executor.run(schedule.ready, slots=min(options.jobs, schedule.total))
    if stop.is_requested() and not schedule.is_over:
        raise Interrupted
    if schedule.refusals:
        raise UserError(schedule.refusals[0])  # the others have the same cause
    return states(board, cells, layout)


def _check_packages(board: Board, cells: Sequence[Cell]) -> None:
    """Raises: UserError when a package is absent that what is to run needs: now, and not in the first job."""
    parts = [board.dataset, *(column.metric for column in board.columns), *(cell.method for cell in cells)]
    parts += [column.extractor for column in board.columns if column.extractor is not None]
    bases = {cell.base.key: cell.base for cell in cells}.values()
    parts += [part for base in bases for part in base.origin.components]
    components = [part.component for part in parts]
    samplers = [base.origin.sampler for base in bases if isinstance(base.origin, Network)]
    components += [inner.component for sampler in samplers for inner in inner_samplers(sampler.settings)]
    for component in components:
        component.check_packages()


def absent_files(board: Board) -> list[str]:
    """A message for each file of datasets and for each extractor's weights that the user has to bring: before the first job."""
    parts: list[Resolved[Component]] = [board.dataset]
    parts += [base.origin.dataset for base in board.bases if isinstance(base.origin, Examples)]
    parts += [column.extractor for column in board.columns if column.extractor is not None]
    faults: list[str] = []
    for part in parts:
        with noted(faults):
            part.component.check_readiness(part.settings)
    return list(dict.fromkeys(faults))  # columns share extractors


def missing_floors(board: Board, layout: RunsFolder) -> list[Floor]:
    """The board's floors that are not measured; after a run they are those that failed."""
    return [one for one in board.floors if usable(layout.floor(board.name, one.name, one.key), load_floor) is None]


def _write_skip(cell: Cell, layout: RunsFolder) -> None:
    if not layout.record(cell.board, cell.name, cell.key).exists():
        _write_unrun(cell, layout, "skipped", cell.skip_reason or "")


def _write_unrun(cell: Cell, layout: RunsFolder, status: Literal["skipped", "failed"], reason: str) -> None:
    """The record of a cell that came to nothing here: it is skipped, or its process died and cannot say so itself."""
    from harness.stages import record

    save_record(record.skeleton(cell, status, reason), layout.record(cell.board, cell.name, cell.key))


class _Schedule:
    """Bases first, each cell when its base is there; a cell that another process runs is asked about again later."""

    def __init__(
        self, board: Board, cells: Sequence[Cell], layout: RunsFolder, options: RunOptions, on_event: Callable[[RunEvent], None]
    ) -> None:
        self._layout, self._on_event = layout, on_event
        job_options = JobOptions(options.device, options.checkpoint_seconds)
        bases = {cell.base.key: cell.base for cell in cells}
        self._waiting: dict[str, list[Job]] = {key: [] for key in bases}
        for cell in cells:
            job = Job(cell.name, run_cell, (cell, layout, job_options))
            self._waiting[cell.base.key].append(job)
        self._new = [Job(f"base {base.name}", run_base, (base, layout, job_options)) for base in bases.values()]
        self._new += [
            Job(f"floor {floor.name}", run_floor, (board.name, floor, layout, job_options, board.is_smoke))
            for floor in missing_floors(board, layout)
        ]
        self._base_keys = {f"base {base.name}": key for key, base in bases.items()}
        self._later: list[tuple[float, Job]] = []
        self._running = 0
        self._ended = 0
        self.total = len(self._new) + len(cells)
        self.refusals: list[str] = []

    @property
    def is_over(self) -> bool:
        return self._ended == self.total

    def ready(self, ends: Sequence[JobEnd]) -> Sequence[Job] | None:
        """Take ends in, give new jobs out; None when all is over."""
        for end in ends:
            self._take(end)
        if self.refusals and not self._running:
            return None
        if self.refusals:
            return []
        now = time.monotonic()
        due = [job for at, job in self._later if at <= now]
        self._later = [(at, job) for at, job in self._later if at > now]
        jobs, self._new = [*self._new, *due], []
        self._running += len(jobs)
        return None if not jobs and not self._running and not self._later else jobs

    def _take(self, end: JobEnd) -> None:
        self._running -= 1
        if end.value == "busy":
            self._later.append((time.monotonic() + RETRY_SECONDS, end.job))
            return
        if end.value == "interrupted" or (end.death is not None and stop.is_requested()):
            return
        self._ended += 1
        if end.death is not None:
            self._bury(end.job, end.death)
        elif end.value not in ("ended", "failed"):
            self.refusals.append(str(end.value))
        if end.job.name in self._base_keys:
            self._new += self._waiting.pop(self._base_keys[end.job.name])
        self._on_event(RunEvent(self._text(end), self._ended, self.total))

    def _bury(self, job: Job, death: str) -> None:
        cell = job.arguments[0]
        if not isinstance(cell, Cell):
            return
        record = _record(cell, self._layout)
        if record is None or record.status == "failed":  # else it died after its record was there
            _write_unrun(cell, self._layout, "failed", death)

    def _text(self, end: JobEnd) -> str:
        if end.death is not None:
            return f"{end.job.name}: failed: {end.death}"
        if isinstance(end.job.arguments[0], Cell):
            record = _record(end.job.arguments[0], self._layout)
            if record is not None:
                values = ", ".join(f"{name} {measured.mean:.4g}" for name, measured in record.metrics.items())
                return f"{end.job.name}: {record.status}" + (f" ({values or record.reason})" if values or record.reason else "")
        return f"{end.job.name}: {'done' if end.value == 'ended' else end.value}"


def run_base(base: Base, layout: RunsFolder, options: JobOptions) -> object:
    """In a worker; the import of torch stays there."""
    from harness.stages import jobs

    return jobs.run_base(base, layout, options)


def run_floor(board: str, plan: Floor, layout: RunsFolder, options: JobOptions, is_smoke: bool) -> object:
    """In a worker."""
    from harness.stages import jobs

    return jobs.run_floor(board, plan, layout, options, is_smoke)


def run_cell(cell: Cell, layout: RunsFolder, options: JobOptions) -> object:
    """In a worker."""
    from harness.stages import jobs

    return jobs.run_cell(cell, layout, options)
