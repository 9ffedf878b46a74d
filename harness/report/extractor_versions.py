"""Which version of each extractor a board's numbers were made with. Numbers of two versions do not share a column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import UserError
from harness.store.record_names import RecordName

if TYPE_CHECKING:
    from harness.report.collect import Collection

LISTED = 4
"""Records of each version that the message about several versions names."""


@dataclass(frozen=True)
class ExtractorVersion:
    """One file of weights and one preprocessing.

    Args:
        weights: sha256 of the weights.
        preprocessing: what is done to images before the network sees them, in words.
    """

    weights: str
    preprocessing: str


def extractor_versions(collection: Collection) -> Mapping[str, ExtractorVersion]:
    """Return the version of each extractor by its name, from the records of all cells and floors.

    Raises: UserError where records of one extractor have several versions.
    """
    records_of = _records_of(collection)
    for extractor, versions in records_of.items():
        if len(versions) > 1:
            raise UserError(_several_versions(collection.board.name, extractor, versions))
    return {extractor: next(iter(versions)) for extractor, versions in records_of.items()}


def check_extractor_versions(collection: Collection) -> None:
    """Check that all records of an extractor have one version. Raises: UserError where they have several.

    Keys cannot tell versions apart: a machine that only renders has no weights to hash.
    """
    extractor_versions(collection)


def _records_of(collection: Collection) -> Mapping[str, Mapping[ExtractorVersion, list[RecordName]]]:
    """Return, for each extractor, which records each of its versions made."""
    records_of: dict[str, dict[ExtractorVersion, list[RecordName]]] = {}
    for record, extractor, version in _uses(collection):
        records_of.setdefault(extractor, {}).setdefault(version, []).append(record)
    return records_of


def _uses(collection: Collection) -> Iterator[tuple[RecordName, str, ExtractorVersion]]:
    for cell, outcome in collection.records.items():
        for extractor, weights, preprocessing in outcome.extractors:
            yield RecordName("cell", cell), extractor, ExtractorVersion(weights, preprocessing)
    for floor, record in collection.floors.items():
        if (facts := record.extractor) is not None:
            yield RecordName("floor", floor), facts.name, ExtractorVersion(facts.weights_sha256, facts.preprocessing)


def _several_versions(board: str, extractor: str, versions: Mapping[ExtractorVersion, list[RecordName]]) -> str:
    described = "; ".join(
        f"sha256 {version.weights[:12]}…, {version.preprocessing}: {_listed(records)}" for version, records in versions.items()
    )
    return (
        f"{board}: records of {extractor} are of different weights or preprocessing, and such numbers do not share a column "
        f"({described}). Delete the records of all but one of these and run the board again"
    )


def _listed(records: list[RecordName]) -> str:
    more = len(records) - LISTED
    return ", ".join(map(str, records[:LISTED])) + (f" and {more} more" if more > 0 else "")
