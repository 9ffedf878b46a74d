"""A second run of cells on which a run is at work already: it follows that one to its end, and starts nothing twice.

The first run notes its cells in a file (see `harness.store.commands`). A run all of whose waiting cells are among them follows
it. When the first one was killed, or its host is gone, the second takes over.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress

from harness.board.board import Board
from harness.board.cells import Cell
from harness.errors import Interrupted
from harness.process import stop
from harness.process.host import ProcessId
from harness.run.events import OnEvent, RunEvent, of_record
from harness.run.states import StatesReader
from harness.stages.current_records import current_record
from harness.stages.record import record_path
from harness.store.beats import beat_seconds, is_shared
from harness.store.cancels import Cancelled, Cancels
from harness.store.commands import KEY_DIGITS, Command, commands, forget, is_at_work, registered, this_command
from harness.store.lease import lease
from harness.store.observing import Watch
from harness.store.runs_folder import RunsFolder

LOOK_SECONDS, SHARED_LOOK_SECONDS = 0.5, 3.0
"""Seconds between two looks at the run that is followed, in a folder of this host and in one that several hosts share."""
GROWTH, MOST_BEATS = 1.25, 2
"""In a shared folder each wait is longer than the last by this factor, up to so many beats: many runs may follow one."""
STOP_SECONDS = 0.2
"""Seconds until a run that waits notices Ctrl-C."""


class Attached(Interrupted):
    """The user left a run that this command followed. It goes on, and the text says so."""


@contextmanager
def at_work(
    board: Board,
    cells: Sequence[Cell],
    runs: RunsFolder,
    *,
    on_event: OnEvent,
    on_remark: Callable[[str], None],
    facts: Mapping[str, object],
    on_follow: Callable[[Command], None] = lambda _: None,
    follows: bool = True,
) -> Iterator[Command | None]:
    """Be the run at work on these cells during the block, as soon as no other one works on all of them that wait.

    Args:
        on_event, on_remark: are told what the other run does meanwhile.
        on_follow: is told of each run that this one follows, before it does.
        follows: False to work beside the other run.
        facts: of `harness.store.commands.Command`: arguments, executor, is_detached.
    Yields: this command; None where another run has done all that waited, and nothing is left to do.
    Raises: Attached when the user leaves the other run; Interrupted when both are asked to stop; StorageError.
    """
    runs.check_writable()
    followed: set[str] = set()
    while True:
        with ExitStack() as held:
            with lease(runs.lease("commands", board.name), wait=True):
                known = commands(runs, board.name)
                others = [command for command in known if is_at_work(command, runs)]
                waiting = _waiting(board, cells, runs, followed) if follows and (others or followed) else None
                other = _that_works_on(waiting, others) if waiting else None
                if other is None and not (followed and not waiting):
                    before = forget([command for command in known if command not in others], runs)
                    keys = [cell.key for cell in cells if cell.skip_reason is None]
                    own = this_command(board.name, runs, keys, {**facts, "before": before})
                    held.enter_context(registered(own, runs))
            if other is None:
                yield None if followed and not waiting else own
                return
        on_remark(f"a run of these cells is at work ({other.where}): this one follows it, and Ctrl-C leaves it alone")
        on_follow(other)
        _follow(other, cells, runs, on_event)
        followed |= set(other.keys)


def _waiting(board: Board, cells: Sequence[Cell], runs: RunsFolder, followed: set[str]) -> list[Cell]:
    """Return the cells that this run would work on: those that failed in a run that it followed are not tried again.

    Args:
        followed: the first digits of the keys of the cells of runs that this one followed.
    """
    return [
        state.cell
        for state in StatesReader(board, cells, runs).read()
        if state.state == "to run" or (state.state == "failed" and state.cell.key[:KEY_DIGITS] not in followed)
    ]


def _that_works_on(waiting: Sequence[Cell], others: Sequence[Command]) -> Command | None:
    """Return the run among others that works on all of these cells; None where there is none."""
    keys = {cell.key[:KEY_DIGITS] for cell in waiting}
    return next((other for other in others if keys <= set(other.keys)), None)


def _follow(other: Command, cells: Sequence[Cell], runs: RunsFolder, on_event: OnEvent) -> None:
    """Tell how each cell of another run ends, until the run does. Raises: see `at_work`."""
    keys = set(other.keys)
    waiting = {cell.key: cell for cell in cells if cell.key[:KEY_DIGITS] in keys and not _has_record(cell, runs)}
    cancels, end, total = Cancels(runs, other.id), _End(other, runs), len(waiting)
    waits = _waits(runs)
    try:
        while not end.has_come():
            _tell_new_records(waiting, runs, total, on_event)
            _pause(next(waits))
            cancels.look()
    except (KeyboardInterrupt, Interrupted):
        raise Attached(f"left {other.where}, which goes on; see harness status, and harness cancel to stop it") from None
    _tell_new_records(waiting, runs, total, on_event)
    cancels.look()
    if cancels.of_all is not None:
        raise Cancelled(f"cancelled by {cancels.of_all.by}")


def _waits(runs: RunsFolder) -> Iterator[float]:
    """Give the seconds until the next look, again and again."""
    seconds = SHARED_LOOK_SECONDS if is_shared(runs.root) else LOOK_SECONDS
    while True:
        yield seconds
        if is_shared(runs.root):
            seconds = max(SHARED_LOOK_SECONDS, min(GROWTH * seconds, MOST_BEATS * beat_seconds()))


def _pause(seconds: float) -> None:
    """Wait. Raises: Interrupted when a stop is requested meanwhile."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        stop.check()
        time.sleep(min(left, STOP_SECONDS))
    stop.check()


def _tell_new_records(waiting: dict[str, Cell], runs: RunsFolder, total: int, on_event: OnEvent) -> None:
    """Tell of the cells that have a record now, and forget them. One listing of a folder."""
    if not waiting:
        return
    with suppress(OSError):
        names = set(os.listdir(runs.records(next(iter(waiting.values())).board)))
        for key, cell in list(waiting.items()):
            if record_path(cell, runs).name in names and (record := current_record(cell, runs)) is not None:
                del waiting[key]
                on_event(RunEvent(f"{cell.name}: {of_record(record)}", total - len(waiting), total))


def _has_record(cell: Cell, runs: RunsFolder) -> bool:
    return record_path(cell, runs).exists()


class _End:
    """Looks whether another command has ended, was killed, or lost its host."""

    def __init__(self, command: Command, runs: RunsFolder) -> None:
        self._command, self._runs = command, runs
        process = ProcessId.of(command.id)
        is_far = process is None or not process.is_here
        self._watch = Watch.of_worker(runs.workers, command.id) if is_far else None

    def has_come(self) -> bool:
        if not is_at_work(self._command, self._runs):
            return True
        if self._watch is not None and self._watch.look():
            self._watch.give_up()
            return True
        return False
