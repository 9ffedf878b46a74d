"""Compare what a record says was done with what the board asks: images, steps, the curve and its choice, the network."""

from __future__ import annotations

from collections.abc import Iterator

from harness.board.cells import Cell
from harness.board.columns import Floor
from harness.store.records import FloorRecord, Record
from harness.training.rounds import rounds_of


def undone(cell: Cell, record: Record) -> Iterator[str]:
    """Yield what a record of a done cell says that a run of the cell cannot give."""
    yield from _steps(cell, record)
    yield from _points(cell, record)
    yield from _choice(cell, record)
    if record.parameters < cell.trains or (record.parameters and not cell.base.has_network):
        what = "the method trains them" if cell.trains else f"the base has {'a' if cell.base.has_network else 'no'} network"
        yield f"parameters: {record.parameters}, and {what}"


def _steps(cell: Cell, record: Record) -> Iterator[str]:
    steps, images, batch = record.costs.steps, record.costs.images_seen, cell.training.batch
    least = cell.training.steps if cell.trains else 0
    most = rounds_of(cell.method.settings).schedule(least).total if cell.trains else 0
    if not least <= steps <= most:
        yield f"costs.steps: {steps}, the board says {_from_to(least, most)}"
    if images != steps * batch:
        yield f"costs.images_seen: {images}, and {steps} steps of {batch} see {steps * batch}"


def _points(cell: Cell, record: Record) -> Iterator[str]:
    found, most = len(record.curve), cell.row.curve_points
    # A candidate of a round that diverged leaves out the rest of its points, as it does its steps.
    least = min(most, 1) if len(rounds_of(cell.method.settings).candidates) > 1 else most
    if not least <= found <= most:
        yield f"curve: {found} points, the board asks for {_from_to(least, most)}"


def _choice(cell: Cell, record: Record) -> Iterator[str]:
    """Yield what is wrong with the point of the curve whose weights were measured."""
    chosen, is_asked = record.selected_images, cell.trains and cell.training.select == "best"
    if chosen is None and is_asked:
        yield "selected_images: absent, and the board chooses a point of the curve"
    elif chosen is not None and not is_asked and not rounds_of(cell.method.settings).chooses:
        yield f"selected_images: {chosen}, and the board chooses no point of the curve"
    elif chosen is not None and chosen not in {point.images for point in record.curve}:
        yield f"selected_images: {chosen}, where the curve has no point"


def _from_to(least: int, most: int) -> str:
    return f"{least}" if least == most else f"{least} to {most}"


def floor_fault(floor: Floor, record: FloorRecord) -> str | None:
    """Return why the record of a floor cannot have its number of held-out examples; None when it can.

    Older records lack the number, and of some datasets only the data tell it.
    """
    known = floor.dataset.component.known_held_out(floor.dataset.settings)
    # Records have twice the largest draw, which of an odd number is one less.
    if record.held_out is not None and known is not None and record.held_out not in (known, known - known % 2):
        return f"held_out: {record.held_out}, the dataset holds {known or 'none'} out"
    if record.held_out is not None and record.values and 2 * floor.samples > record.held_out:
        return f"held_out: {record.held_out}, too few for two draws of {floor.samples}"
    return None
