"""Compare what a record says of its settings with what the board says: a key alone could be copied from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness.board.cells import Cell
from harness.stages.record import unmeasured
from harness.store.records import Record

FIELDS = (
    "board", "protocol", "base", "method", "seed", "is_smoke", "model", "sampler", "training_sampler", "finetuning", "dataset",
    "pretraining", "training", "evaluation", "size", "sampler_name",
)  # fmt: skip
"""Fields of a record that follow from the board."""
COMPONENTS = ("model", "sampler", "training_sampler", "finetuning", "dataset")
OF_BOARD = tuple(name for name in FIELDS if name not in (*COMPONENTS, "pretraining"))
"""Fields that follow from the board alone, whatever versions of components are installed. The facts of a base name its method."""


def differences(cell: Cell, record: Record, fields: Sequence[str] = FIELDS) -> list[str]:
    """Return what a record says otherwise than the board, such as `training.images: 6400, the board says 12800`.

    A setting that one of the two lacks does not count: newer versions have more settings, with defaults.

    Args:
        fields: which fields of the record are compared.
    """
    stated, expected = record.model_dump(mode="json"), unmeasured(cell, record.status).model_dump(mode="json")
    return [text for name in fields for text in _differences(stated.get(name), expected.get(name), name)]


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


def _differences(stated: object, expected: object, place: str) -> Iterator[str]:
    if isinstance(stated, Mapping) and isinstance(expected, Mapping):
        for name in stated.keys() & expected.keys():
            yield from _differences(stated[name], expected[name], f"{place}.{name}")
    elif stated is not None and stated != expected:
        yield f"{place}: {stated!r}, the board says {expected!r}"
