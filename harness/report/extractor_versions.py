"""What a column's features were made with: one network, one file of weights, one preprocessing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import UserError

if TYPE_CHECKING:
    from harness.report.collect import Collection

SHOWN = 4


@dataclass(frozen=True)
class Used:
    """An extractor's weights (sha256) and preprocessing, as records have them."""

    weights: str
    preprocessing: str


def used(collection: Collection) -> Mapping[str, Used]:
    """By the extractor's name, of all cells and floors.

    Raises: UserError where they are not all of the same: these are other numbers, and do not share a column. No key tells them
        apart, since a machine that only renders has no weights.
    """
    found: dict[str, dict[Used, list[str]]] = {}
    for who, name, one in _all(collection):
        found.setdefault(name, {}).setdefault(one, []).append(who)
    for name, ways in found.items():
        if len(ways) > 1:
            raise UserError(_mixed(collection.board.name, name, ways))
    return {name: next(iter(ways)) for name, ways in found.items()}


def _all(collection: Collection) -> Iterator[tuple[str, str, Used]]:
    for cell, record in collection.records.items():
        for name, weights, preprocessing in record.extractors:
            yield cell, name, Used(weights, preprocessing)
    for floor, measured in collection.floors.items():
        if (facts := measured.extractor) is not None:
            yield f"floor of {floor}", facts.name, Used(facts.weights_sha256, facts.preprocessing)


def _mixed(board: str, name: str, ways: Mapping[Used, list[str]]) -> str:
    told = "; ".join(
        f"sha256 {one.weights[:12]}…, {one.preprocessing}: {', '.join(who[:SHOWN])}"
        + (f" and {len(who) - SHOWN} more" if len(who) > SHOWN else "")
        for one, who in ways.items()
    )
    return (
        f"{board}: records of {name} are of different weights or preprocessing, and such numbers do not share a column ({told}). "
        "Delete the records of all but one of these and run the board again"
    )
