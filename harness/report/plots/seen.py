"""Which metric tells which data from real data: rows × metrics, by how many of the floor's deviations they are from the floor."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from harness.board.columns import Column
from harness.report.plots.plot import WIDTH, Plot
from harness.report.rows import TableRow
from harness.report.table import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

EDGES = (2.0, 5.0, 20.0, 100.0)
"""In standard deviations of the floor; below the first, a row counts as not told from real data (the table's †)."""
WORSE = ("#FDDBC7", "#F4A582", "#D6604D", "#8E0B24")
BETTER = ("#D1E5F0", "#92C5DE", "#4393C3", "#1B4F8A")
SAME, MISSING = "#FFFFFF", "#E8E8E8"


@dataclass(frozen=True)
class Seen:
    """All that the plot shows.

    Args:
        deviations: by row, metric, and number of samples: above 0 where the value is worse than the floor's mean, below where it
            is better, in the floor's standard deviations; None where a number is missing.
    """

    rows: tuple[str, ...]
    metrics: tuple[str, ...]
    sizes: tuple[int, ...]
    deviations: tuple[tuple[tuple[float | None, ...], ...], ...]


def seen_plot(table: Table) -> Plot | None:
    """None for a board of models, or when no row is done, or no floor."""
    found = _seen(table)
    if found is None:
        return None
    sizes = f", from left to right at n = {', '.join(f'{size:,}' for size in found.sizes)}" if len(found.sizes) > 1 else ""
    caption = (
        "What each metric tells from real data: white is within two standard deviations of the floor, red beyond it, and blue "
        f"on the better side of it{sizes}"
    )
    return Plot("seen.png", caption, json.dumps(asdict(found)), lambda: _draw(found))


def _seen(table: Table) -> Seen | None:
    rows: dict[str, dict[int | None, TableRow]] = {}
    for row in table.rows:
        if row.is_data and row.scores:
            rows.setdefault(row.base_label, {})[row.size] = row
    metrics = [metric for metric in table.board.columns if metric.ranks]
    samples = {floor.size: floor.samples for floor in table.board.floors}
    sizes = sorted(samples, key=lambda size: samples[size])
    deviations = tuple(
        tuple(tuple(_deviation(table, found.get(size), metric) for size in sizes) for metric in metrics)
        for found in rows.values()
    )
    if not any(value is not None for row in deviations for metric in row for value in metric):
        return None
    return Seen(tuple(rows), tuple(m.label for m in metrics), tuple(samples[size] for size in sizes), deviations)


def _deviation(table: Table, row: TableRow | None, metric: Column) -> float | None:
    floor = None if row is None else table.floor(metric, row.size)
    value = None if row is None else row.score(metric)
    if floor is None or value is None or not floor.sd:
        return None
    worse = floor.mean - value.mean if metric.higher_is_better else value.mean - floor.mean
    return worse / floor.sd


def colour(deviation: float | None) -> str:
    """Of a cell."""
    if deviation is None:
        return MISSING
    level = sum(abs(deviation) > edge for edge in EDGES)
    return SAME if level == 0 else (WORSE if deviation > 0 else BETTER)[level - 1]


def _draw(seen: Seen) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    figure = Figure(figsize=(WIDTH, 1.75 + 0.33 * len(seen.rows)), layout="constrained")
    axis = figure.subplots()
    _cells(axis, seen)
    words = [f"{low:g} to {high:g}" for low, high in pairwise(EDGES)] + [f"over {EDGES[-1]:g}"]
    handles = [Patch(facecolor=SAME, edgecolor="#AAAAAA", label=f"at the floor (within {EDGES[0]:g} sd)")]
    # Column by column: worse above better, at the same distance.
    handles += [Patch(facecolor="none", edgecolor="none", label="")]
    for worse, better, text in zip(WORSE, BETTER, words, strict=True):
        handles += [Patch(facecolor=worse, label=f"worse: {text} sd"), Patch(facecolor=better, label=f"better: {text} sd")]
    figure.legend(handles=handles, loc="outside lower center", ncols=5, frameon=False, fontsize=7.5)
    return figure


def _cells(axis: Axes, seen: Seen) -> None:
    from matplotlib.patches import Rectangle

    width = 1 / len(seen.sizes)
    for y, row in enumerate(seen.deviations):
        for x, values in enumerate(row):
            for place, value in enumerate(values):
                left = x + place * width
                cell = Rectangle((left, y), width, 1, facecolor=colour(value), edgecolor="#DDDDDD", linewidth=0.5)
                axis.add_patch(cell)
                text = _short(value)
                shade = "white" if value is not None and abs(value) > EDGES[2] else "#444444"
                axis.text(left + width / 2, y + 0.52, text, ha="center", va="center", fontsize=5.5, color=shade)
    for x in range(len(seen.metrics) + 1):
        axis.axvline(x, color="#555555", linewidth=1.2)
    axis.set(xlim=(0, len(seen.metrics)), ylim=(len(seen.rows), 0))
    axis.set_yticks([y + 0.5 for y in range(len(seen.rows))], seen.rows)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    _heads(axis, seen, width)


def _heads(axis: Axes, seen: Seen, width: float) -> None:
    """Metrics above the columns, and the numbers of samples between them and the cells."""
    axis.xaxis.tick_top()
    if len(seen.sizes) > 1:
        ticks = [x + (place + 0.5) * width for x in range(len(seen.metrics)) for place in range(len(seen.sizes))]
        axis.set_xticks(ticks, [str(size) for _ in seen.metrics for size in seen.sizes], rotation=90, fontsize=6, color="#555555")
    else:
        axis.set_xticks([])
    for x, label in enumerate(_wrapped(seen.metrics)):
        axis.annotate(
            label, (x + 0.5, 1.0), xycoords=("data", "axes fraction"), xytext=(0, 26 if len(seen.sizes) > 1 else 4),
            textcoords="offset points", ha="center", va="bottom", fontsize=8,
        )  # fmt: skip


def _wrapped(labels: Sequence[str]) -> list[str]:
    """`fid[fashion-cnn]` in two lines."""
    return [label.replace("[", "\n[") for label in labels]


def _short(value: float | None) -> str:
    """Deviations without a sign, which the colour gives."""
    if value is None or abs(value) <= EDGES[0]:
        return ""
    return f"{abs(value):.0f}" if abs(value) < 1000 else f"{abs(value) / 1000:.0f}k"
