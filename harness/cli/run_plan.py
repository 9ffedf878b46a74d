"""The plan that `harness run --dry-run` prints: which cells would run, and how long that may take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.cli.cell_states import state_line
from harness.cli.output import duration
from harness.cli.run_settings import ALL_AT_ONCE

if TYPE_CHECKING:
    from harness.board.cells import Cell
    from harness.board.columns import Floor
    from harness.report.record_files import RecordFiles
    from harness.run.fresh import Fresh
    from harness.run.pending_bases import PendingBase
    from harness.run.states import CellState


@dataclass(frozen=True)
class RunPlan:
    """The cells, bases and floors that a run would look at.

    Args:
        states: every chosen cell and how it stands.
        floors: floors that are not measured yet.
        jobs: cells that run at once.
        bases: trainings of bases that the cells wait for.
    """

    states: Sequence[CellState]
    floors: Sequence[Floor]
    jobs: int
    bases: Sequence[PendingBase] = ()

    @property
    def waiting(self) -> list[CellState]:
        """Cells that would run: those without a record, and those that failed."""
        return [state for state in self.states if state.needs_a_run]

    def lines(self) -> Iterator[str]:
        """Give the plan as text, a line a cell and a floor."""
        from harness.run.states import summary

        names = dict.fromkeys(each.base.full_name for each in self.bases)  # those of earlier steps are the base's
        bases = f"; {_counted(len(names), 'base')} to train" if names else ""
        floors = f"; {_counted(len(self.floors), 'floor')} to measure" if self.floors else ""
        yield summary(self.states) + bases + floors
        yield from map(state_line, self.states)
        yield from (f"  {'to train':<8}  base {name}" for name in names)
        yield from (f"  {'to run':<8}  floor {floor.name}" for floor in self.floors)
        if self.waiting:
            yield self._estimate()

    def _estimate(self) -> str:
        known = [state.seconds for state in self.waiting if state.seconds is not None]
        if not known:
            return "no estimate: no such cell has run yet"
        # Cells that no past cell tells of are taken to be like the others. Bases differ too much for that.
        total = sum(known) / len(known) * len(self.waiting)
        trained = [each.seconds for each in self.bases if each.seconds is not None]
        unknown = len(self.bases) - len(trained)
        time = duration((total + sum(trained)) / min(self.jobs, len(self.waiting)))
        above = [*(["the pretraining of bases"] if unknown else []), *(["floors"] if self.floors else [])]
        on_top = f"; {' and '.join(above)} {'comes' if above == ['the pretraining of bases'] else 'come'} on top" if above else ""
        jobs = _counted(self.jobs, "job")
        at_once = jobs if self.jobs < ALL_AT_ONCE else "all jobs at once"
        such = "such cells and bases" if trained else "such cells"
        return f"about {time} with {at_once}, by what {such} took before{on_top}"


def _counted(number: int, what: str) -> str:
    return f"1 {what}" if number == 1 else f"{number} {what}s"


def copied_of(cells: Sequence[Cell], published: Sequence[RecordFiles]) -> list[Cell]:
    """Return those of the cells whose published record is among these, which a run copies."""
    names = {files.record.name for files in published if files.record.kind == "cell"}
    return [cell for cell in cells if cell.name in names]


def counted_bases(number: int) -> str:
    """Return a number of published bases in words."""
    return _counted(number, "published base")


def with_published(plan: RunPlan, anew: Fresh, published: Sequence[RecordFiles]) -> RunPlan:
    """Return the plan in which these published records are there: their cells stand as the records say, unless made anew."""
    from harness.run.states import recorded_state
    from harness.store.records import load_record

    files_of = {(files.record.kind, files.record.name): files.published for files in published}
    for cell in (*anew.cells, *anew.remeasured):
        files_of.pop(("cell", cell.name), None)
    if anew.floors:
        files_of = {record: file for record, file in files_of.items() if record[0] != "floor"}
    states = [
        recorded_state(state.cell, load_record(file)) if (file := files_of.get(("cell", state.cell.name))) else state
        for state in plan.states
    ]
    return replace(plan, states=states, floors=[floor for floor in plan.floors if ("floor", floor.name) not in files_of])
