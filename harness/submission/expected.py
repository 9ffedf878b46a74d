"""Compare what a record says of its settings with what the board says: a key alone could be copied from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from harness.board.cells import Cell
from harness.stages.record import unmeasured
from harness.store.records import Record

FIELDS = (
    "board", "protocol", "base", "method", "seed", "is_smoke", "model", "sampler", "training_sampler", "finetuning", "dataset",
    "pretraining", "training", "evaluation", "size", "sampler_name",
)  # fmt: skip
"""Fields of a record that follow from the board."""
COMPONENTS = ("model", "sampler", "training_sampler", "finetuning", "dataset")


def differences(cell: Cell, record: Record) -> list[str]:
    """Return what a record says otherwise than the board, such as `training.images: 6400, the board says 12800`.

    A setting that one of the two lacks does not count: newer versions have more settings, with defaults.
    """
    stated, expected = record.model_dump(mode="json"), unmeasured(cell, record.status).model_dump(mode="json")
    return [text for name in FIELDS for text in _differences(stated.get(name), expected.get(name), name)]


def other_versions(cell: Cell, record: Record) -> list[str]:
    """Return the components that are installed here in another version than the record's."""
    expected = unmeasured(cell, record.status)
    pairs = [(getattr(record, name), getattr(expected, name)) for name in COMPONENTS]
    found = [
        f"{there.name} {there.version} (here {here.version})"
        for there, here in pairs
        if there is not None and here is not None and there.name == here.name and there.version != here.version
    ]
    return list(dict.fromkeys(found))


def unspent_budget(cell: Cell, record: Record) -> Iterator[str]:
    """Yield what a record of a done cell says of its training that cannot be so under the board's budget and curve.

    A training may see more images than the budget has, where rounds search settings; it never sees fewer.
    """
    if not cell.trains:
        return
    costs, budget = record.costs, cell.training
    if costs.images_seen < budget.images:
        yield f"costs.images_seen: {costs.images_seen}, the board's training has {budget.images}"
    if costs.steps < budget.steps:
        yield f"costs.steps: {costs.steps}, the board's training has {budget.steps}"
    if record.parameters <= 0:
        yield f"parameters: {record.parameters}, of a network that was trained"
    if len(record.curve) != cell.row.curve_points:
        yield f"curve: {len(record.curve)} points, the board has {cell.row.curve_points}"
    elif record.selected_images is not None and record.selected_images not in {point.images for point in record.curve}:
        yield f"selected_images: {record.selected_images}, where the curve has no point"


def _differences(stated: object, expected: object, place: str) -> Iterator[str]:
    if isinstance(stated, Mapping) and isinstance(expected, Mapping):
        for name in stated.keys() & expected.keys():
            yield from _differences(stated[name], expected[name], f"{place}.{name}")
    elif stated is not None and stated != expected:
        yield f"{place}: {stated!r}, the board says {expected!r}"
