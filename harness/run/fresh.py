"""`--fresh`: make results anew. What they had is set aside first; a note of each stays until all that was asked for is made.

A killed run goes on: the next run of the board, with `--fresh` or without it, first completes the setting aside. A result that an
unfinished run has begun with the same code is not begun again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from harness.board.bases import Base, Examples, Pretrained
from harness.board.board import Board
from harness.board.cells import Cell
from harness.board.columns import Floor
from harness.board.components import Resolved
from harness.components import Component
from harness.errors import UserError
from harness.run.states import CellState, missing_floors, states
from harness.stages import card_usage, renewal, sources
from harness.stages.current_records import has_result, is_measured
from harness.stages.record import record_path
from harness.store.files import exists, reading, write_text
from harness.store.lease import Busy, lease
from harness.store.reading import read_bytes
from harness.store.runs_folder import RunsFolder


@dataclass(frozen=True)
class Fresh:
    """The results that a run makes anew.

    Args:
        cells: cells whose own stages are made anew: fine-tuning, samples, metrics. A training stays where cells of other samplers
            share it that are not made anew, unless the bases are: else their rows would be of another training.
        bases: also the bases of these cells, and those that their samplers call.
        floors: also the board's floors.
    """

    cells: Sequence[Cell] = ()
    bases: bool = False
    floors: bool = False


NOTHING = Fresh()


@dataclass(frozen=True)
class _Result:
    """A result that can be made anew.

    Args:
        name: name of the result, for messages.
        note: the file that says that the result is made anew.
        components: the components whose code makes the result.
        leases: the leases of everything that is renamed.
        set_aside: renames everything that the result had, its record last.
        is_made: whether the result is there.
        keeps_training: whether the result is of a cell whose training stays.
    """

    name: str
    note: Path
    components: Sequence[Resolved[Component]]
    leases: Sequence[Path]
    set_aside: Callable[[], None]
    is_made: Callable[[], bool]
    keeps_training: bool = False

    @property
    def is_begun(self) -> bool:
        """Whether an unfinished run has begun to make the result anew, with the code as it is now."""
        return self._read() == self._content(is_set_aside=True)

    @property
    def is_half_set_aside(self) -> bool:
        """Whether a run was killed while it set the result aside."""
        return self._read().get("is_set_aside") is False

    def begin(self) -> None:
        """Set everything aside. Raises: UserError, with everything as it was, when another process works on the result."""
        with self._held():
            self._write(is_set_aside=False)
            self.set_aside()
            self._write(is_set_aside=True)

    def check_free(self) -> None:
        """Raises: UserError when another process works on the result."""
        with self._held():
            pass

    def _held(self) -> ExitStack:
        """Return the leases of the result, all held."""
        with ExitStack() as held:
            try:
                for path in self.leases:
                    held.enter_context(lease(path, wait=False))
            except Busy:
                raise UserError(f"--fresh: another run works on {self.name}; wait for its end, or stop it") from None
            return held.pop_all()

    def _content(self, *, is_set_aside: bool) -> dict[str, object]:
        content = {"name": self.name, "code": sources.digest_of(sources.of(*self.components)), "is_set_aside": is_set_aside}
        return {**content, _KEEPS: True} if self.keeps_training else content

    def _read(self) -> dict[str, object]:
        return _read_note(self.note)

    def _write(self, *, is_set_aside: bool) -> None:
        write_text(self.note, json.dumps(self._content(is_set_aside=is_set_aside)))


_KEEPS = "keeps_training"
"""The entry of a note of a cell whose training stays."""


def _read_note(note: Path) -> dict[str, object]:
    """Return the content of a note; nothing where it is absent or damaged."""
    try:
        content = json.loads(read_bytes(note))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def begin(board: Board, fresh: Fresh, runs: RunsFolder) -> None:
    """Set aside what is asked for, but for what an unfinished run has begun; and complete what a killed run left half done.

    Raises: UserError when another process works on one of the results. A result that is busy from the start leaves all others
    as they were.
    """
    results = _to_begin(board, fresh, runs)
    for result in results:
        result.check_free()
    for result in results:
        result.begin()


def planned(board: Board, cells: Sequence[Cell], fresh: Fresh, runs: RunsFolder) -> tuple[list[CellState], list[Floor]]:
    """Return how the cells stand, and the floors to measure, as if `begin` had been called."""
    reasons = {
        result.note: "anew, from the same weights" if result.keeps_training else "anew"
        for result in _to_begin(board, fresh, runs)
    }
    notes = reasons.keys()
    cell_states = [
        CellState(state.cell, "to run", reasons[note], seconds=state.seconds)
        if (note := runs.fresh("cell", state.cell.key)) in notes
        else state
        for state in states(board, cells, runs)
    ]
    missing = {floor.name for floor in missing_floors(board, runs)}
    return cell_states, [floor for floor in board.floors if floor.name in missing or runs.fresh("floor", floor.key) in notes]


def end(board: Board, runs: RunsFolder) -> None:
    """Delete the notes of a board when everything that they ask for is made."""
    noted = list(_noted(board, runs))
    if noted and all(result.is_made() for result in noted):
        _forget([result.note for result in noted], runs)


def _forget(notes: Collection[Path], runs: RunsFolder) -> None:
    """Delete notes, and what processes left that were killed while they wrote them."""
    for note in notes:
        note.unlink(missing_ok=True)
    unfinished = {f".{note.name}" for note in notes}
    # Listed once: the folder holds as many notes as there are results.
    for file in list(_notes_folder(runs).iterdir()):
        if file.name.rpartition(".")[0] in unfinished:
            file.unlink(missing_ok=True)


def pending_records(board: Board, runs: RunsFolder) -> set[Path]:
    """Return the files of the records that are made anew, until all that was asked for is made."""
    cells = {record_path(cell, runs) for cell in board.cells if exists(runs.fresh("cell", cell.key))}
    floors = {runs.floor(board.name, floor.name, floor.key) for floor in board.floors if exists(runs.fresh("floor", floor.key))}
    return cells | floors


def _to_begin(board: Board, fresh: Fresh, runs: RunsFolder) -> list[_Result]:
    """Return what is asked for and not begun, and what a killed run left half set aside."""
    kept = _kept_trainings(board, fresh)
    wanted = {result.note: result for result in _wanted(board, fresh, runs, lambda cell: cell.finetune_key in kept)}
    half_done = [result for result in _noted(board, runs) if result.is_half_set_aside and result.note not in wanted]
    return [*half_done, *(result for result in wanted.values() if not result.is_begun)]


def _kept_trainings(board: Board, fresh: Fresh) -> set[str]:
    """Return the keys of the trainings that stay, since cells of other samplers share them that are not made anew."""
    if fresh.bases or not board.samplers:
        return set()
    anew = {cell.name for cell in fresh.cells}
    others = (cell for cell in board.cells if cell.trains and cell.skip_reason is None and cell.name not in anew)
    return {cell.finetune_key for cell in others}


def _wanted(board: Board, fresh: Fresh, runs: RunsFolder, keeps_training: Callable[[Cell], bool]) -> Iterator[_Result]:
    yield from (_cell(cell, runs, keeps_training=keeps_training(cell)) for cell in fresh.cells if cell.skip_reason is None)
    if fresh.bases:
        yield from (_base(base, runs) for base in _all_bases(fresh.cells))
    if fresh.floors:
        yield from (_floor(board, floor, runs) for floor in board.floors)


def _noted(board: Board, runs: RunsFolder) -> Iterator[_Result]:
    """Yield the results of a board that a note says are made anew."""
    folder = _notes_folder(runs)
    if not exists(folder):
        return
    with reading(folder):
        is_empty = next(folder.iterdir(), None) is None
    if is_empty:
        return
    everything = Fresh(board.cells, bases=True, floors=True)

    def keeps_training(cell: Cell) -> bool:
        return _read_note(runs.fresh("cell", cell.key)).get(_KEEPS) is True

    yield from (result for result in _wanted(board, everything, runs, keeps_training) if exists(result.note))


def _notes_folder(runs: RunsFolder) -> Path:
    return runs.fresh("cell", "any").parent


def _all_bases(cells: Iterable[Cell]) -> Iterator[Base]:
    """Yield each base of the cells that has a network, with the bases that it starts from, and those that samplers call."""
    found: dict[str, Base] = {}
    rows = {id(cell.row): cell.row for cell in cells}.values()
    waiting = [base for row in rows for base in (row.base, *row.sampler.bases)]
    while waiting:
        base = waiting.pop()
        if base.key in found or isinstance(base.origin, Examples):
            continue
        found[base.key] = base
        waiting += base.origin.sampler.bases
        if isinstance(base.origin, Pretrained) and base.origin.after is not None:
            waiting.append(base.origin.after)
    yield from found.values()


def _cell(cell: Cell, runs: RunsFolder, *, keeps_training: bool = False) -> _Result:
    outputs = {"sample": cell.sample_key}
    if not keeps_training:
        outputs = {"finetune": cell.finetune_key, **outputs}
        if cell.row.shares_training:
            outputs["training"] = cell.shared_training_key

    def set_aside() -> None:
        for stage, key in outputs.items():
            renewal.set_aside_output(runs, stage, key)
        card_usage.forget(cell, runs)  # of what is set aside
        renewal.set_aside_if_there(record_path(cell, runs))

    return _Result(
        cell.name,
        runs.fresh("cell", cell.key),
        cell.components,
        [runs.lease("cell", cell.key), *(runs.lease(stage, key) for stage, key in outputs.items())],
        set_aside,
        lambda: has_result(cell, runs),
        keeps_training,
    )


def _base(base: Base, runs: RunsFolder) -> _Result:
    return _Result(
        f"base {base.full_name}",
        runs.fresh("base", base.key),
        (*base.origin.components, base.dataset),
        [runs.lease("base", base.key)],
        lambda: renewal.set_aside_output(runs, "base", base.key),
        lambda: runs.stage("base", base.key).is_dir(),
    )


def _floor(board: Board, floor: Floor, runs: RunsFolder) -> _Result:
    path = runs.floor(board.name, floor.name, floor.key)

    return _Result(
        f"floor {floor.name}",
        runs.fresh("floor", floor.key),
        floor.components,
        [runs.lease("floor", floor.key)],
        lambda: renewal.set_aside_if_there(path),
        lambda: is_measured(board.name, floor, runs),
    )
