"""Check that datasets have as many held-out examples as a board asks for, where they say their number without being read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.board.bases import Examples
from harness.board.cells import Cell
from harness.board.columns import Floor
from harness.board.components import Resolved
from harness.board.reading.reader import BoardReader
from harness.components import Dataset


def check_held_out(reader: BoardReader, dataset: Resolved[Dataset], cells: Sequence[Cell], floors: Sequence[Floor]) -> None:
    """Add a fault for each dataset that has fewer held-out examples than draws of the evaluation ask for.

    Datasets that do not say their number are looked at before a run, with what the curve and training examples need.
    """
    asked: dict[str, tuple[int, int]] = {}
    for drawn_from, samples in _asked(dataset, cells, floors):
        largest = drawn_from.component.known_largest_draw(drawn_from.settings)
        if largest is not None and samples > max(largest, asked.get(drawn_from.name, (0, 0))[0]):
            asked[drawn_from.name] = samples, largest
    location = ("evaluation", "samples" if cells[0].row.size is None else "sizes")
    for name, (samples, largest) in asked.items():
        text = f"dataset {name} gives {largest} held-out examples a draw at most, and {samples} are asked for"
        reader.add_fault(location, f"{text}: lower evaluation.samples or sizes")


def _asked(dataset: Resolved[Dataset], cells: Sequence[Cell], floors: Sequence[Floor]) -> Iterator[tuple[Resolved[Dataset], int]]:
    """Yield each dataset and the number of examples of a draw of it."""
    for cell in cells:
        if cell.skip_reason is not None:
            continue
        if any(column.draws_real for column in cell.columns):
            yield dataset, cell.evaluation.samples
        if isinstance(cell.base.origin, Examples):
            yield cell.base.origin.dataset, cell.evaluation.samples
    for floor in floors:
        if not floor.column.may_lack_a_floor:
            yield dataset, floor.samples
