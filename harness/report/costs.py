"""The section of a board's page that says what each row cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.board.cells import Row
from harness.report.collect import Collection
from harness.report.markup import markdown_text
from harness.report.number_text import count, seconds
from harness.report.outcome import Outcome
from harness.report.scores import mean

HEADS = (
    "Base",
    "Method",
    "Network evaluations in training",
    "Fine-tuning s",
    "Sampling s",
    "Metrics s",
    "Peak memory MB",
)
PARTS = ("without gradients", "with gradients", "of the curve")
"""Heads of the parts of the network evaluations, where the records say them."""
TITLE = "Costs"
ABOUT = (
    "The cost of one cell: the mean over the seeds of its row. Network evaluations in training include those of banks, and "
    "those of the curve where it selects weights. Seconds are wall clock."
)


RATES = ("Training images/s", "Samples/s", "Features/s")
"""Heads of the throughputs, where the records say them."""
ABOUT_RATES = (
    "Images a second: in the steps of training, without banks and curve; of samples drawn; and of generated images through "
    "extractors. Device and precision stand where the page says how it was measured."
)
ABOUT_SAMPLERS = "The rows of a base and method share one training, whose cost each of them shows."
GRADIENT = 3
"""Forward passes that a pass with a graph counts for: the pass itself, and a backward pass, which takes twice the operations."""


def training_cost(outcome: Outcome) -> int | None:
    """Return what a cell's training cost, in forward passes of one example, without the curve.

    Returns: None for a record of an older version, which does not say which passes were followed backwards.
    """
    if outcome.forward_evaluations is None or outcome.backward_evaluations is None:
        return None
    return outcome.forward_evaluations + GRADIENT * outcome.backward_evaluations


def costs_section(collection: Collection) -> str:
    """Return the section with a line for each row of a model that has a done seed; empty when no row has one."""
    return f"## {TITLE}\n\n{table}" if (table := costs_table(collection)) else ""


def costs_table(collection: Collection) -> str:
    """Return what the costs are, and the table, without the heading; empty when no row has a done seed."""
    from tabulate import tabulate

    rows_done = [(row, collection.done(cells)) for row, cells in collection.rows if row.base.has_network]
    rows_done = [(row, done) for row, done in rows_done if done]
    if not rows_done:
        return ""
    have_parts, has_samplers = any(_have_parts(done) for _, done in rows_done), bool(collection.board.samplers)
    have_rates = any(outcome.seconds_steps is not None or outcome.seconds_extract for _, done in rows_done for outcome in done)
    names = [*HEADS[:2], *(["Sampler"] if has_samplers else [])]
    heads = [*names, HEADS[2], *(PARTS if have_parts else ()), *HEADS[3:], *(RATES if have_rates else ())]
    rows = []
    for row, done in rows_done:
        evaluations, *others = _costs(done)
        parts = _parts(done) if have_parts else []
        rows.append([*_labels(row), evaluations, *parts, *others, *(_rates(row, done) if have_rates else [])])
    align = [*["left"] * len(names), *["right"] * (len(heads) - len(names))]
    table = tabulate(rows, headers=heads, tablefmt="pipe", colalign=align, disable_numparse=True)
    about = [ABOUT, *([ABOUT_SAMPLERS] if has_samplers else []), *([ABOUT_RATES] if have_rates else [])]
    return f"{' '.join(about)}\n\n{table}"


def _labels(row: Row) -> list[str]:
    """Return base and method of a row, and its sampler where the board has several."""
    labels = [row.base.label, row.method_label, *([] if row.sampled_with is None else [row.sampled_with.label])]
    return [markdown_text(label) for label in labels]


def _rates(row: Row, done: Sequence[Outcome]) -> list[str]:
    """Return images a second over the row's done seeds, in the order of RATES; a dash where there is nothing to tell."""
    drawn = row.evaluation.samples * row.evaluation.draws
    return [
        _rate([(outcome.images_seen, outcome.seconds_steps) for outcome in done]),
        _rate([(drawn, outcome.seconds_sample) for outcome in done]),
        _rate([(outcome.images_extracted or 0, outcome.seconds_extract) for outcome in done]),
    ]


def _rate(parts: Sequence[tuple[int, float | None]]) -> str:
    """Return all images by all seconds; the parts without seconds are left out."""
    known = [(images, spent) for images, spent in parts if spent]
    return count(sum(images for images, _ in known) / sum(spent for _, spent in known)) if known else "–"


def _have_parts(done: Sequence[Outcome]) -> bool:
    return all(training_cost(outcome) is not None for outcome in done)


def _parts(done: Sequence[Outcome]) -> list[str]:
    """Return the mean parts of a row's network evaluations, in the order of PARTS; dashes where a record does not say them."""
    if not _have_parts(done):
        return ["–"] * len(PARTS)
    parts = ("forward_evaluations", "backward_evaluations", "selection_evaluations")
    return [count(round(mean([getattr(outcome, part) or 0 for outcome in done]))) for part in parts]


@dataclass(frozen=True)
class MeanCosts:
    """The costs of a cell of a row: means over the seeds that are done. Seconds are wall clock."""

    network_evaluations: float
    seconds_finetune: float
    seconds_sample: float
    seconds_metrics: float
    peak_memory_bytes: float


def mean_costs(done: Sequence[Outcome]) -> MeanCosts:
    """Return the mean costs of at least one outcome that is done."""
    return MeanCosts(
        network_evaluations=mean([outcome.network_evaluations for outcome in done]),
        seconds_finetune=mean([outcome.seconds_finetune for outcome in done]),
        seconds_sample=mean([outcome.seconds_sample for outcome in done]),
        seconds_metrics=mean([outcome.seconds_metrics for outcome in done]),
        peak_memory_bytes=mean([outcome.peak_memory_bytes for outcome in done]),
    )


def _costs(done: Sequence[Outcome]) -> list[str]:
    """Return the mean costs of a row's done seeds, in the order of HEADS after base and method."""
    costs = mean_costs(done)
    return [
        count(round(costs.network_evaluations)),
        seconds(costs.seconds_finetune),
        seconds(costs.seconds_sample),
        seconds(costs.seconds_metrics),
        f"{costs.peak_memory_bytes / 1e6:.0f}",
    ]
