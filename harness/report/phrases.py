"""Phrases that pages and messages are built of: components, budgets, seeds, filters, lists of names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.board.components import Resolved
from harness.board.schema import MethodConfig
from harness.components import Component
from harness.report.markup import markdown_text
from harness.training.config import TrainingConfig

LISTED = 20
"""Number of names that a list shows; it counts the others."""


def listed(names: Sequence[str]) -> str:
    """Return names joined by commas: `a, b`; of many names the first and a count: `a, b, … and 1,002 more`."""
    shown = ", ".join(names[:LISTED])
    return shown if len(names) <= LISTED else f"{shown} and {len(names) - LISTED:,} more"


def seed_ranges(seeds: Sequence[int]) -> str:
    """Return sorted seeds with runs of three and more written by their ends: `0–4, 7`."""
    runs: list[list[int]] = []
    for seed in seeds:
        if runs and seed == runs[-1][1] + 1:
            runs[-1][1] = seed
        else:
            runs.append([seed, seed])
    return ", ".join(_seed_range(first, last) for first, last in runs)


def _seed_range(first: int, last: int) -> str:
    if first == last:
        return str(first)
    return f"{first}, {last}" if last == first + 1 else f"{first}–{last}"


def component(resolved: Resolved[Component]) -> str:
    """Return a component's name with the settings that the board gives it, and its version."""
    explicit = resolved.settings.model_dump(mode="json", exclude_unset=True)
    settings = ", ".join(f"{name}: {_setting(value)}" for name, value in explicit.items())
    return f"`{resolved.name}`" + (f" ({markdown_text(settings)})" if settings else "") + f", version {resolved.version}"


def _setting(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_setting(inner)}" for name, inner in value.items()) + "}"
    return str(value)


def budget(training: TrainingConfig) -> str:
    """Return a training budget: `300,000 examples in batches of 128 (2,343 steps)`, and what differs from plain training."""
    examples = f"{training.images:,} examples in batches of {training.batch:,} ({training.steps:,} steps)"
    selection = "" if training.select == "last" else ", best point of the curve selected"
    return examples + _averaging(training) + _computation(training) + selection


def _averaging(training: TrainingConfig) -> str:
    if training.ema is None:
        return ""
    if isinstance(training.ema, float):
        return f", weights averaged with decay {training.ema:g}"
    return f", weights averaged over a relative length of {training.ema.std:g} (power function)"


def _computation(training: TrainingConfig) -> str:
    micro_batches = "" if training.micro_batch is None else f", in micro-batches of {training.micro_batch}"
    precision = "" if training.precision == "float32" else f", {training.precision} autocast"
    channels_last = ", channels last" if training.channels_last else ""
    return micro_batches + precision + channels_last + (", compiled" if training.compile else "")


def where_only(entry: MethodConfig) -> str:
    """Return the filter of a method that the board has on some of its cells only: ` (`base=edm2`)`; else nothing."""
    filters = [entry.only] if isinstance(entry.only, str) else entry.only
    return f" (`{', '.join(filters)}`)" if any(filters) else ""
