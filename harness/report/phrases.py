"""Phrases that pages and messages are built of: components, budgets, seeds, filters, lists of names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.board.components import Resolved
from harness.board.filters import parse_filter
from harness.board.schema import MethodConfig
from harness.components import Component
from harness.config import Config, without_unused
from harness.inner_components import InnerSampler
from harness.report.markup import markdown_text
from harness.training.config import TrainingConfig

INNER = "    "
"""Indentation of a list inside a list of a page. GitHub is content with two spaces, and mkdocs needs four."""
LISTED = 20
"""Number of names that a list shows; it counts the others."""


def listed(names: Sequence[str], at_most: int = LISTED) -> str:
    """Return names joined by commas: `a, b`; of many names the first and a count: `a, b, … and 1,002 more`."""
    shown = ", ".join(names[:at_most])
    return shown if len(names) <= at_most else f"{shown} and {len(names) - at_most:,} more"


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
    return f"{_with_settings(resolved.name, _given(resolved.settings))}, version {resolved.version}"


def full_component(resolved: Resolved[Component]) -> str:
    """Return a component's name with all its settings, given or by default."""
    return _with_settings(resolved.name, used_settings(resolved.settings))


def _with_settings(name: str, settings: Mapping[str, object]) -> str:
    text = ", ".join(f"{name}: {setting_text(value)}" for name, value in settings.items())
    return f"`{name}`" + (f" ({markdown_text(text)})" if text else "")


def _given(settings: Config) -> dict[str, object]:
    """Return the settings that the board gives, without those that change nothing beside the others.

    Settings inside a setting come with their `name`, given or not: `{lr: 0.001}` alone would not say of which optimiser.
    """
    given: dict[str, object] = settings.model_dump(mode="json", exclude_unset=True)
    for field, value in settings:
        if field in given and isinstance(value, InnerSampler):
            given[field] = _inner(value)
        elif field in given and isinstance(value, Config):
            names = {"name": value.model_dump(mode="json")["name"]} if "name" in type(value).model_fields else {}
            given[field] = {**names, **_given(value)}
    return without_unused(settings, given)


def used_settings(settings: Config) -> dict[str, object]:
    """Return all settings, given or by default, without those that change nothing beside the others."""
    used: dict[str, object] = settings.model_dump(mode="json")
    for field, value in settings:
        if isinstance(value, Config):
            used[field] = _inner(value) if isinstance(value, InnerSampler) else used_settings(value)
    return without_unused(settings, used)


def _inner(sampler: InnerSampler) -> dict[str, object]:
    """Return a sampler inside a sampler as a board writes it: its settings beside its name."""
    return {"name": sampler.name, **used_settings(sampler.config)}


def setting_text(value: object) -> str:
    """Return a setting's JSON value as a board writes it: `{name: adam, betas: [0.9, 0.999], clip: none}`."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {setting_text(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(setting_text, value)) + "]"
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


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
    compiled = ", compiled" if training.compile else ""
    flipped = ", images flipped at random" if training.flip else ""
    augment = training.augment
    augmented = "" if augment is None else f", images augmented as by {augment.name.upper()} with probability {augment.p:g}"
    return micro_batches + precision + channels_last + compiled + flipped + augmented


def where_only(entry: MethodConfig) -> str:
    """Return the filter of a method that the board has on some of its cells only: ` (`base=edm2`)`; else nothing.

    Conditions on the method are left out: they say which points of a grid the board has, and a row is one of these.
    """
    written = [entry.only] if isinstance(entry.only, str) else entry.only
    filters = [str(parse_filter(text, where="only").without("method")) for text in written if text]
    return f" (`{', '.join(filter(None, filters))}`)" if any(filters) else ""
