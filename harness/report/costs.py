"""The section of a board's page that says what each row cost."""

from __future__ import annotations

from collections.abc import Sequence

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
ABOUT = (
    "The cost of one cell: the mean over the seeds of its row. Network evaluations in training include those of banks and of the "
    "curve. Seconds are wall clock."
)


ABOUT_SAMPLERS = "The rows of a base and method share one training, whose cost each of them shows."


def costs_section(collection: Collection) -> str:
    """Return the section with a line for each row of a model that has a done seed; empty when no row has one."""
    from tabulate import tabulate

    rows = []
    has_samplers = bool(collection.board.samplers)
    for row, cells in collection.rows:
        done = collection.done(cells)
        if done and row.base.has_network:
            sampler = [markdown_text(row.sampled_with.label)] if row.sampled_with is not None else []
            rows.append([markdown_text(row.base.label), markdown_text(row.method_label), *sampler, *_costs(done)])
    if not rows:
        return ""
    names, figures = [*HEADS[:2], *(["Sampler"] if has_samplers else [])], HEADS[2:]
    align = [*["left"] * len(names), *["right"] * len(figures)]
    table = tabulate(rows, headers=[*names, *figures], tablefmt="pipe", colalign=align, disable_numparse=True)
    about = f"{ABOUT} {ABOUT_SAMPLERS}" if has_samplers else ABOUT
    return f"## Costs\n\n{about}\n\n{table}"


def _costs(done: Sequence[Outcome]) -> list[str]:
    """Return the mean costs of a row's done seeds, in the order of HEADS after base and method."""
    return [
        count(round(mean([outcome.network_evaluations for outcome in done]))),
        seconds(mean([outcome.seconds_finetune for outcome in done])),
        seconds(mean([outcome.seconds_sample for outcome in done])),
        seconds(mean([outcome.seconds_metrics for outcome in done])),
        f"{mean([outcome.peak_memory_bytes for outcome in done]) / 1e6:.0f}",
    ]
