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
    from harness.run.states import CellState


@dataclass(frozen=True)
class RunPlan:
    """The cells and floors that a run would look at.

    Args:
        states: every chosen cell and how it stands.
        floors: floors that are not measured yet.
        jobs: cells that run at once.
    """

    states: Sequence[CellState]
    floors: Sequence[Floor]
    jobs: int

    @property
    def waiting(self) -> list[CellState]:
        """Cells that would run: those without a record, and those that failed."""
        return [state for state in self.states if state.needs_a_run]

    def lines(self) -> Iterator[str]:
        """Give the plan as text, a line a cell and a floor."""
        from harness.run.states import summary

        count = len(self.floors)
        floors = f"; {count} {'floor' if count == 1 else 'floors'} to measure" if count else ""
        yield summary(self.states) + floors
        yield from map(state_line, self.states)
        yield from (f"  {'to run':<8}  floor {floor.name}" for floor in self.floors)
        if self.waiting:
            yield self._estimate()

    def _estimate(self) -> str:
        known = [state.seconds for state in self.waiting if state.seconds is not None]
        if not known:
            return "no estimate: no such cell has run yet"
        # Cells that no past cell tells of are taken to be like the others.
        total = sum(known) / len(known) * len(self.waiting)
        time = duration(total / min(self.jobs, len(self.waiting)))
        floors = "; floors come on top" if self.floors else ""
        jobs = "1 job" if self.jobs == 1 else f"{self.jobs} jobs"
        at_once = jobs if self.jobs < ALL_AT_ONCE else "all jobs at once"
        return f"about {time} with {at_once}, by what such cells took before{floors}"


def copied_of(cells: Sequence[Cell], published: Sequence[RecordFiles]) -> list[Cell]:
    """Return those of the cells whose published record is among these, which a run copies."""
    names = {files.record.name for files in published if files.record.kind == "cell"}
    return [cell for cell in cells if cell.name in names]


def counted_bases(number: int) -> str:
    """Return a number of published bases in words."""
    return "1 published base" if number == 1 else f"{number} published bases"


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
