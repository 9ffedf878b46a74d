"""`harness run --collect`: nothing runs. A cell whose job has died, with nobody left to say so, gets a failed record."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from harness.board.board import Board
from harness.board.cells import Cell
from harness.process import stop
from harness.process.host import ProcessId
from harness.run.states import states
from harness.stages.record import save_unrun
from harness.store import job_log
from harness.store.beats import LOOKS, beat_seconds
from harness.store.commands import KEY_DIGITS, Command, commands, is_at_work
from harness.store.lease import take_over
from harness.store.lease_files import Holding, holder
from harness.store.observing import Watch, is_known_gone, is_on_another_host
from harness.store.runs_folder import RunsFolder

SLICE_SECONDS = 0.2


def note_deaths(board: Board, cells: Sequence[Cell], runs: RunsFolder, on_remark: Callable[[str], None]) -> Iterator[str]:
    """Write failed records of cells whose jobs have died.

    A job that a living command watches is left to that command. Whether a process of another host lives takes a few beats to
    tell; a remark says so.

    Yields: a line for each death, of a job or of a run. Raises: StorageError; Interrupted.
    """
    runs.check_writable()
    known = commands(runs, board.name)
    watched = {key for command in known if is_at_work(command, runs) for key in command.keys}
    waiting = [state.cell for state in states(board, cells, runs) if state.state == "to run"]
    waiting = [cell for cell in waiting if cell.key[:KEY_DIGITS] not in watched]
    held = [(cell, found) for cell in waiting if (found := holder(runs.lease("cell", cell.key))) is not None]
    gone = _gone([holding for _, holding in held], on_remark)
    for cell, holding in held:
        if holding in gone:
            take_over(holding)
            death = f"its process died ({_named(holding)}), and its run with it; run again to go on from where it stopped"
            save_unrun(cell, runs, "failed", death)
            job_log.append(runs.job_log(cell.board, "cell", cell.name), death)
            yield f"{cell.name}: {death}"
    yield from (f"the run of {_described(command)} has died" for command in known if not is_at_work(command, runs))


def _described(command: Command) -> str:
    return f"{command.where}, started {command.started}"


def _named(holding: Holding) -> str:
    process = ProcessId.of(holding.owner)
    return "unnamed" if process is None else f"process {process.pid}"


def _gone(held: Sequence[Holding], on_remark: Callable[[str], None]) -> set[Holding]:
    """Return which owners are gone. Those on other hosts are watched for a few beats."""
    gone = {holding for holding in held if is_known_gone(holding)}
    watches = {holding: Watch.of_owner(holding) for holding in held if holding not in gone and is_on_another_host(holding)}
    if not watches:
        return gone
    seconds = (LOOKS + 2) * beat_seconds()
    on_remark(f"looking for {seconds:.0f} s whether the owners of {len(watches)} cells on other machines live")
    end = time.monotonic() + seconds
    while watches and time.monotonic() < end:
        for holding, watch in list(watches.items()):
            if watch.look():
                watch.give_up()
                gone.add(holding)
                del watches[holding]
            elif watch.has_changed:
                del watches[holding]
        stop.check()
        time.sleep(min(SLICE_SECONDS, beat_seconds() / 4))
    return gone
