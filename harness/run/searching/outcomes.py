"""The outcome of a trial, as its cells say it: its value, its end, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.board.columns import Column
from harness.run.searching.trials import CellCost
from harness.run.states import CellState
from harness.store.records import Record


@dataclass(frozen=True)
class RungOutcome:
    """How a trial did on one rung.

    Args:
        value: the mean over the search's seeds; None where a seed diverged or failed.
        fault: `diverged` or `failed`, with the reason; empty where there is a value.
        kept_base: whether selection kept the base's weights on every seed, so that the value is the base's.
    """

    value: float | None
    cells: dict[str, CellCost]
    fault: str = ""
    reason: str = ""
    kept_base: bool = False


def rung_outcome(cell_states: Sequence[CellState], column: Column, *, is_by_curve: bool) -> RungOutcome:
    """Return how a trial did, whose cells, one for each seed of the search, stand so.

    Args:
        column: the column to search by.
        is_by_curve: whether the value of a cell is one of its curve.
    """
    records = [state.record for state in cell_states if state.record is not None]
    cells = {record.key: _cost(record) for record in records}
    for state in cell_states:
        if state.state != "done":
            fault = "diverged" if state.state == "diverged" else "failed"
            return RungOutcome(None, cells, fault, f"{state.cell.name}: {state.reason or 'it left no record'}")
    values = [_curve_value(record, column) if is_by_curve else record.metrics[column.name].mean for record in records]
    return RungOutcome(sum(values) / len(values), cells, kept_base=all(record.selected_images == 0 for record in records))


def _curve_value(record: Record, column: Column) -> float:
    """Return the curve's value of the weights that the cell ended with: the selected ones, or the last."""
    values = [point.value for point in record.curve]
    if record.selected_images is None:
        return values[-1]
    return max(values) if column.higher_is_better else min(values)


def _cost(record: Record) -> CellCost:
    costs = record.costs
    parts = (costs.forward_evaluations, costs.backward_evaluations, costs.selection_evaluations)
    known = [part for part in parts if part is not None]
    # Where the curve does not select, what it cost is in none of the training's numbers but its own.
    training = sum(known) if len(known) == len(parts) else costs.network_evaluations
    samples = _whole(record.evaluation.get("samples")) * _whole(record.evaluation.get("draws"))
    metrics = sum(measured.seconds for measured in record.metrics.values())
    return CellCost(
        images=costs.images_seen,
        network_evaluations=round(training + costs.nfe * samples),
        seconds=costs.seconds_finetune + costs.seconds_sample + metrics,
    )


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
