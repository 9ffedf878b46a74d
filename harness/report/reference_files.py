"""Which file each published reference of a board was. Numbers against two files do not share a column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from harness.errors import UserError

if TYPE_CHECKING:
    from harness.report.collect import Collection


def reference_files(collection: Collection) -> Mapping[str, str]:
    """Return the sha256 of each reference's file by the reference's name, from the records of all cells and floors.

    Raises: UserError where records of one reference are of several files.
    """
    files: dict[str, dict[str, str]] = {}
    for record, reference, sha256 in _uses(collection):
        files.setdefault(reference, {}).setdefault(sha256, record)
    for reference, records in files.items():
        if len(records) > 1:
            first = "; ".join(f"sha256 {sha256[:12]}…: {record}, …" for sha256, record in records.items())
            raise UserError(
                f"{collection.board.name}: records against {reference} are of different files, and such numbers do not share a "
                f"column ({first}). Delete the records of all but one of these and run the board again"
            )
    return {reference: next(iter(records)) for reference, records in files.items()}


def check_reference_files(collection: Collection) -> None:
    """Check that all records against a reference are of one file. Raises: UserError where they are of several."""
    reference_files(collection)


def _uses(collection: Collection) -> Iterator[tuple[str, str, str]]:
    """Yield the name of a record, the reference and the hash of its file."""
    for cell, outcome in collection.records.items():
        for name, sha256 in outcome.references:
            yield cell, name, sha256
    for floor, record in collection.floors.items():
        if record.reference is not None:
            yield f"floor {floor}", record.reference.name, record.reference.sha256
