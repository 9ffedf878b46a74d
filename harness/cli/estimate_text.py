"""Estimates of memory, disk and hours as text: a table, and sentences that say what the figures are made of. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from harness.process.cards import LAUNCH_SECONDS, Card
from harness.process.inference_precision import Precision
from harness.run.downloads import Downloads

if TYPE_CHECKING:
    from harness.run.estimates import RowEstimate

GIB = 2**30
SPARE = 0.9
"""The share of a card's memory that is there for tensors: libraries and gaps between tensors take the rest."""


@dataclass(frozen=True)
class EstimateText:
    """Estimates of some rows, for people to read.

    Args:
        card: the card that hours are for; None where none is named.
        examples: number of training examples, where the dataset is here.
        downloads: absent files of weights.
    """

    rows: Sequence[RowEstimate]
    card: Card | None
    examples: int | None = None
    downloads: Downloads = field(default_factory=Downloads)

    def table(self) -> list[dict[str, str]]:
        """Return a row of texts for each row, without columns in which nothing stands."""
        rows = [self._columns(row.on(self.card)) for row in self.rows]
        filled = [name for name in rows[0] if any(row[name] != "–" for row in rows)]
        return [{name: row[name] for name in filled} for row in rows]

    def _columns(self, row: RowEstimate) -> dict[str, str]:
        step = None if row.step is None or isinstance(row.step, str) else row.step
        sign = "" if step is None or not step.reason else "≥ "
        columns = {
            "estimate": row.name,
            "cells": str(row.cells),
            "params": _count(row.size.parameters),
            "at once": "–" if step is None else f"{step.examples:,}",
            "kept GiB": "–" if step is None else f"{sign}{_number((step.state_bytes + row.resident_bytes) / GIB)}",
            "step GiB": "–" if row.step_bytes is None else f"{sign}{_number(row.step_bytes / GIB)}",
            "sample GiB": "–" if row.sampling_bytes is None else _number(row.sampling_bytes / GIB),
            "disk GB": _number(row.disk.kept / 1e9),
        }
        if self.card is not None:
            sign = "≥ " if row.work is not None and row.work.unknown else ""
            hours = row.hours(self.card) or (0.0, 0.0, 0.0)
            names = ("train h", "curve h", "samples h")
            columns |= {name: f"{sign}{_number(time)}" for name, time in zip(names, hours, strict=True)}
        return columns

    def sentences(self) -> Iterator[str]:
        """Say what the figures are, what they leave out, and what does not fit."""
        yield (
            "these are estimates from the shapes of networks, and nothing was measured: GiB of a step with so many examples at "
            "once, and of the samples drawn at once, all tensors in float32, without the memory of libraries and of training "
            "examples that stay on a card"
        )
        if (checkpoints := max(row.disk.checkpoints for row in self.rows)) > 0:
            yield f"while a training runs, its checkpoints take up to {_number(checkpoints / 1e9)} GB of disk more"
        yield from self._latents()
        if self.downloads.files:
            least, most = _number(self.downloads.least / 1e9), _number(self.downloads.most / 1e9)
            size = f"{least} GB" if least == most else f"{least} to {most} GB, by the networks' numbers in 16 or 32 bits"
            yield f"absent files of weights: {self.downloads.files}, about {size}"
        yield from (f"{row.name}: a step is not known: {row.step}" for row in self.rows if isinstance(row.step, str))
        yield from _lower_bounds(self.rows)
        if self.card is not None:
            yield from self._of_card(self.card)

    def _latents(self) -> Iterator[str]:
        each = max(row.size.kept_bytes for row in self.rows)
        if each and self.examples is None:
            yield f"latents of the training examples take {each / 1024:.0f} KiB of disk each"
        elif each and self.examples is not None:
            yield f"latents of {self.examples:,} training examples take {_number(each * self.examples / 1e9)} GB of disk"

    def _of_card(self, card: Card) -> Iterator[str]:
        known = [hours for row in self.rows if (hours := row.hours(card)) is not None]
        assumed = "; ".join(card.assumption(kind) for kind in _precisions(self.rows))
        yield (
            f"hours are those of one {card.name} for all cells of a row, if nothing is done yet: {assumed}. The shares of the "
            "peak are those of published throughputs, which lie within half and twice of what is counted here. A small network "
            f"takes {1e6 * LAUNCH_SECONDS:.0f} µs for each operation of torch instead (docs/gpu.md). Those of the curve hold "
            "banks. Reading data, preparing samplers, features and metrics come on top"
        )
        unknown = [(row.name, reason) for row in self.rows if row.work is not None for reason in row.work.unknown]
        rest = ", without what is not known" if unknown else ""
        yield f"in all about {_number(sum(map(sum, known)))} hours of one {card.name}{rest}"
        yield from (f"{name}: hours do not hold all: {reason}" for name, reason in unknown)
        yield from (line for row in self.rows if (line := _too_large(row.on(card), card)) is not None)


def on_card(card: Card, memory_bytes: int) -> Card:
    """Return a card with the memory that it has here."""
    return replace(card, memory_gib=memory_bytes / GIB)


def as_json(row: RowEstimate, card: Card | None) -> dict[str, object]:
    """Return what `--json` shows of a row, beside each of its cells."""
    row = row.on(card)
    hours = None if card is None else row.hours(card)
    return {
        "row": row.name,
        "cells": row.cells,
        "parameters": row.size.parameters,
        "step_bytes": row.step_bytes,
        "step_is_lower_bound": bool(getattr(row.step, "reason", "")),
        "sampling_bytes": row.sampling_bytes,
        "disk_bytes": row.disk.kept,
        "card": None if card is None else card.name,
        "card_hours": None if hours is None else sum(hours),
    }


def _too_large(row: RowEstimate, card: Card) -> str | None:
    """Return what to lower where a step does not fit into the memory of a card; None where it fits, or is not known."""
    room = SPARE * card.memory_gib * GIB
    if row.step_bytes is None or row.step is None or isinstance(row.step, str) or row.step_bytes <= room:
        return None
    rest = row.step.state_bytes + row.resident_bytes
    each = (row.step_bytes - rest) / row.step.examples
    fits = max(0, int((room - rest) / each)) if each > 0 else 0
    what = f"{row.name}: a step of {row.step.examples:,} at once takes about {_number(row.step_bytes / GIB)} GiB"
    where = f", and {card.name} has {card.memory_gib:.0f}"
    return f"{what}{where}: " + (
        f"lower `training: micro_batch` to {fits:,} or less" if fits else "no micro_batch fits beside what stays between steps"
    )


def _lower_bounds(rows: Sequence[RowEstimate]) -> Iterator[str]:
    by_reason: dict[str, list[str]] = {}
    for row in rows:
        if row.step is not None and not isinstance(row.step, str) and row.step.reason:
            by_reason.setdefault(row.step.reason, []).append(row.name)
    for reason, names in by_reason.items():
        yield f"≥: a step of the pretraining loss with Adam, which is less than the method's ({', '.join(names)}): {reason}"


def _precisions(rows: Sequence[RowEstimate]) -> list[Precision]:
    """Return the precisions that work is in, each once."""
    found: dict[Precision, None] = {}
    for row in rows:
        if row.work is not None:
            parts: tuple[Mapping[Precision, float], ...] = (row.work.training, row.work.banks_and_curve, row.work.samples)
            found |= dict.fromkeys(kind for part in parts for kind in part)
    return list(found)


def _count(n: int) -> str:
    """Return a number of parameters: `55.7 M`."""
    for unit, name in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if n >= unit:
            return f"{n / unit:.3g}{name}"
    return str(n)


def _number(value: float) -> str:
    """Return a number with as many digits as an estimate has."""
    if value >= 10:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 1 else f"{value:.2g}"
