"""Run boards one after another on one executor, where the cells of one board decide what the next one is."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence

from harness.board.board import Board
from harness.board.components import Resolved
from harness.components import Executor
from harness.errors import Interrupted
from harness.interfaces import Job, JobEnd
from harness.process import stop
from harness.run.events import OnEvent
from harness.run.start import PreparedRun, RunOptions, default_executor, execute
from harness.run.states import CellState
from harness.store.runs_folder import RunsFolder

Boards = Generator[Board, Sequence[CellState], None]
"""Yields a board and gets the states of all its cells when they have run."""


def run_boards(
    boards: Boards,
    runs: RunsFolder,
    options: RunOptions,
    on_event: OnEvent = lambda _: None,
    on_remark: Callable[[str], None] = lambda _: None,
) -> None:
    """Run all cells of each board, as `run_board` does. The executor starts once, with the first board that has a job to run.

    Raises: what `run_board` raises, and what the generator does.
    """
    executor = options.executor or default_executor()
    session = _Session(boards, executor, lambda board: PreparedRun(board, board.cells, runs, options, on_event, on_remark))
    if session.goes_on():
        stop.on_signals()
        execute(executor, session.ready, runs, slots=options.jobs)
    session.end()


class _Session:
    """The boards of one run of an executor. Errors are kept until the executor has ended: it may not know what to do with them.

    Args:
        prepare: returns the prepared run of a board.
    """

    def __init__(self, boards: Boards, executor: Resolved[Executor], prepare: Callable[[Board], PreparedRun]) -> None:
        self._boards, self._executor, self._prepare = boards, executor, prepare
        self._run: PreparedRun | None = None
        self._is_over = False
        self._error: Exception | None = None

    def ready(self, ends: Sequence[JobEnd]) -> Sequence[Job] | None:
        """Take the ends of jobs and return new jobs, of the next board where all of this one have ended."""
        if self._run is None or self._error is not None or self._is_over:
            return None
        jobs = self._run.schedule.ready(ends)
        while jobs is None and not stop.is_requested() and self.goes_on():
            jobs = self._run.schedule.ready([])
        return jobs

    def goes_on(self) -> bool:
        """Go on to the next board that has a job; return whether there is one."""
        try:
            while True:
                board = next(self._boards) if self._run is None else self._boards.send(self._run.end(self._executor))
                self._run = self._prepare(board)
                if self._run.schedule.total:
                    self._run.begin()
                    return True
        except StopIteration:
            self._is_over = True
        except Exception as error:
            self._error = error
        return False

    def end(self) -> None:
        """Raise what stopped the boards, if anything did. Raises: see `run_boards`."""
        if self._error is not None:
            raise self._error
        if self._is_over:
            return
        if self._run is not None:
            self._run.end(self._executor)
        raise Interrupted
