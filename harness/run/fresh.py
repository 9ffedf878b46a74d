"""`--fresh` and `--remeasure`: make results anew. What they had is set aside first; a note of each stays until all is made.

A killed run goes on: the next run of the board, with `--fresh` or without it, first completes the setting aside. A result that an
unfinished run has begun with the same code is not begun again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.board.bases import Base, Examples, Pretrained
from harness.board.board import Board
from harness.board.cells import Cell
from harness.board.columns import Floor
from harness.errors import UserError
from harness.run.fresh_result import REASONS, Kept, Result, kept_after, kept_by
from harness.run.states import CellState, missing_floors, states
from harness.stages import card_usage, renewal
from harness.stages.current_records import has_result, is_measured
from harness.stages.record import record_path
from harness.store import outputs
from harness.store.files import exists, reading
from harness.store.runs_folder import RunsFolder


@dataclass(frozen=True)
class Fresh:
    """The results that a run makes anew.

    Args:
        cells: cells whose own stages are made anew: fine-tuning, samples, metrics. A training stays where cells of other samplers
            or sizes share it that are not made anew, unless the bases are: else their rows would be of another training. So do
            the steps of a training that cells share whose methods merge them differently.
        bases: also the bases of these cells, and those that their samplers call.
        floors: also the board's floors.
        remeasured: cells that are measured anew, from the weights and samples that they have. Where a cell keeps only the first
            of its samples, they are drawn again: extractors need them all.
    """

    cells: Sequence[Cell] = ()
    bases: bool = False
    floors: bool = False
    remeasured: Sequence[Cell] = ()


NOTHING = Fresh()


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
    reasons = {result.note: REASONS[result.keeps] for result in _to_begin(board, fresh, runs)}
    notes = reasons.keys()

    def after_begin(state: CellState) -> CellState:
        reason = reasons.get(runs.fresh("cell", state.cell.key))
        if reason is None or (reason != REASONS["nothing"] and not has_result(state.cell, runs)):
            return state  # of what was never made, nothing stays
        return CellState(state.cell, "to run", reason, seconds=state.seconds)

    cell_states = [after_begin(state) for state in states(board, cells, runs)]
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


def _to_begin(board: Board, fresh: Fresh, runs: RunsFolder) -> list[Result]:
    """Return what is asked for and not begun, and what a killed run left half set aside."""
    check_measurable([cell for cell in fresh.remeasured if has_result(cell, runs)], runs)
    trainings = _kept_trainings(board, fresh)
    remeasured = {cell.name for cell in fresh.remeasured}

    def kept(cell: Cell) -> Kept:
        if cell.name in remeasured:
            wanted: Kept = "samples" if _has_all_samples(cell) else "training"
        else:
            wanted = "training" if cell.finetune_key in trainings else "steps" if _steps_key(cell) in trainings else "nothing"
        return kept_after(runs.fresh("cell", cell.key), wanted)

    wanted = {result.note: result for result in _wanted(board, fresh, runs, kept)}
    half_done = [result for result in _noted(board, runs) if result.is_half_set_aside and result.note not in wanted]
    return [*half_done, *(result for result in wanted.values() if not result.is_begun)]


def check_measurable(cells: Iterable[Cell], runs: RunsFolder) -> None:
    """Check that done cells still have what they are measured from, without which they would be trained again unasked.

    Args:
        cells: that have a record in the runs folder, or will have a copy of the published one.

    Raises: UserError that names the first that has not.
    """
    for cell in cells:
        stages = {"samples": ("sample", cell.sample_key)} if _has_all_samples(cell) else {}
        if cell.trains:
            stages["weights"] = ("finetune", cell.finetune_key)
        if not isinstance(cell.base.origin, Examples):
            stages["base"] = ("base", cell.base.key)
        absent = [name for name, (stage, key) in stages.items() if not outputs.is_there(runs.stage(stage, key))]
        if absent:
            raise UserError(
                f"--remeasure: {cell.name} cannot be measured anew, since its {' and '.join(absent)} are not in {runs.root} (its "
                "record may be a copy); --fresh makes it anew, training and all"
            )


def _has_all_samples(cell: Cell) -> bool:
    """Return whether the cell keeps all samples that it draws."""
    evaluation = cell.evaluation
    return evaluation.keep_samples is None or evaluation.keep_samples >= evaluation.samples


def _kept_trainings(board: Board, fresh: Fresh) -> set[str]:
    """Return the keys of the trainings that stay, since cells share them that are not made anew.

    Cells of other samplers or sizes share fine-tuned weights; those whose methods merge differently share the steps alone.
    """
    if fresh.bases:
        return set()
    anew = {cell.name for cell in fresh.cells}
    others = [cell for cell in board.cells if cell.trains and cell.skip_reason is None and cell.name not in anew]
    return {cell.finetune_key for cell in others} | {key for cell in others if (key := _steps_key(cell)) is not None}


def _steps_key(cell: Cell) -> str | None:
    """Return the key of the steps of a training that rows may share; None for a cell whose row shares none."""
    return cell.shared_training_key if cell.row.shares_training else None


def _wanted(board: Board, fresh: Fresh, runs: RunsFolder, kept: Callable[[Cell], Kept]) -> Iterator[Result]:
    yield from (_cell(cell, runs, kept(cell)) for cell in (*fresh.cells, *fresh.remeasured) if cell.skip_reason is None)
    if fresh.bases:
        yield from (_base(base, runs) for base in bases_of(fresh.cells))
    if fresh.floors:
        yield from (_floor(board, floor, runs) for floor in board.floors)


def _noted(board: Board, runs: RunsFolder) -> Iterator[Result]:
    """Yield the results of a board that a note says are made anew."""
    folder = _notes_folder(runs)
    if not exists(folder):
        return
    with reading(folder):
        is_empty = next(folder.iterdir(), None) is None
    if is_empty:
        return
    everything = Fresh(board.cells, bases=True, floors=True)

    def kept(cell: Cell) -> Kept:
        return kept_by(runs.fresh("cell", cell.key))

    yield from (result for result in _wanted(board, everything, runs, kept) if exists(result.note))


def _notes_folder(runs: RunsFolder) -> Path:
    return runs.fresh("cell", "any").parent


def bases_of(cells: Iterable[Cell], *, goes_back: Callable[[Base], bool] = lambda _: True) -> Iterator[Base]:
    """Yield each base of the cells that has a network, with the bases that it starts from, and those that samplers call.

    Bases of several names that share a training are one, under the name that comes first.

    Args:
        goes_back: whether to go on to the base that the step before the last one makes, asked of each base.
    """
    found: set[str] = set()
    rows = {id(cell.row): cell.row for cell in cells}.values()
    waiting = deque(base for row in rows for base in (row.base, *row.sampler.bases))
    while waiting:
        base = waiting.popleft()
        if base.key in found or isinstance(base.origin, Examples):
            continue
        found.add(base.key)
        yield base
        waiting += base.origin.sampler.bases
        if isinstance(base.origin, Pretrained) and base.origin.after is not None and goes_back(base):
            waiting.append(base.origin.after)


def _cell(cell: Cell, runs: RunsFolder, kept: Kept) -> Result:
    made = {} if kept == "samples" else {"sample": cell.sample_key}
    if kept in ("nothing", "steps"):
        made = {"finetune": cell.finetune_key, **made}
    if kept == "nothing" and cell.row.shares_training:
        made["training"] = cell.shared_training_key

    def set_aside() -> None:
        for stage, key in made.items():
            renewal.set_aside_output(runs, stage, key)
        card_usage.forget(cell, runs)  # of what is set aside
        renewal.set_aside_if_there(record_path(cell, runs))

    return Result(
        cell.name,
        runs.fresh("cell", cell.key),
        cell.components,
        [runs.lease("cell", cell.key), *(runs.lease(stage, key) for stage, key in made.items())],
        set_aside,
        lambda: has_result(cell, runs),
        kept,
    )


def _base(base: Base, runs: RunsFolder) -> Result:
    return Result(
        f"base {base.full_name}",
        runs.fresh("base", base.key),
        (*base.origin.components, base.dataset),
        [runs.lease("base", base.key)],
        lambda: renewal.set_aside_output(runs, "base", base.key),
        lambda: runs.stage("base", base.key).is_dir(),
    )


def _floor(board: Board, floor: Floor, runs: RunsFolder) -> Result:
    path = runs.floor(board.name, floor.name, floor.key)

    return Result(
        f"floor {floor.name}",
        runs.fresh("floor", floor.key),
        floor.components,
        [runs.lease("floor", floor.key)],
        lambda: renewal.set_aside_if_there(path),
        lambda: is_measured(board.name, floor, runs),
    )
