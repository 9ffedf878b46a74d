"""The plot of which data each metric tells from real data: each row's distance from the floor, in the floor's deviations."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from harness.board.columns import Column
from harness.report.plots.plot import WIDTH, Plot, plain
from harness.report.rows import TableRow
from harness.report.table import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

FILE = "seen.png"
EDGES = (2.0, 5.0, 20.0, 100.0)
"""Limits of colours, in the floor's standard deviations. Below the first, a row is not told from real data (the table's †)."""
WORSE = ("#FDDBC7", "#F4A582", "#D6604D", "#8E0B24")
"""Colours of values that are worse than the floor, one from each edge on."""
BETTER = ("#D1E5F0", "#92C5DE", "#4393C3", "#1B4F8A")
AT_FLOOR, MISSING = "#FFFFFF", "#E8E8E8"


@dataclass(frozen=True)
class Deviations:
    """All that the plot shows. The fields' names are part of its digest: with other names committed plots would be stale.

    Args:
        deviations: by row, metric, and number of samples, in the floor's standard deviations: above 0 where the value is worse
            than the floor's mean, below 0 where it is better; None where a number is missing.
    """

    rows: tuple[str, ...]
    metrics: tuple[str, ...]
    sizes: tuple[int, ...]
    deviations: tuple[tuple[tuple[float | None, ...], ...], ...]


def deviations_plot(table: Table) -> Plot | None:
    """Return the plot; None for a board of models, or when no row or no floor is done."""
    shown = deviations_of(table)
    if shown is None:
        return None
    sizes = f", from left to right at n = {', '.join(f'{size:,}' for size in shown.sizes)}" if len(shown.sizes) > 1 else ""
    caption = (
        "What each metric tells from real data: white is within two standard deviations of the floor, red beyond it, and blue "
        f"on the better side of it{sizes}"
    )
    return Plot(FILE, caption, json.dumps(asdict(shown)), lambda: _draw(shown))


def deviations_of(table: Table) -> Deviations | None:
    """Return the deviations of all rows of data; None when there is not a single one."""
    rows_of: dict[str, dict[int | None, TableRow]] = {}
    for row in table.rows:
        if row.is_data and row.scores:
            rows_of.setdefault(row.base, {})[row.size] = row
    columns = [column for column in table.board.columns if column.ranks]
    samples_of = {floor.size: floor.samples for floor in table.board.floors}
    sizes = sorted(samples_of, key=lambda size: samples_of[size])
    deviations = tuple(
        tuple(tuple(_deviation(table, rows.get(size), column) for size in sizes) for column in columns)
        for rows in rows_of.values()
    )
    if all(value is None for row in deviations for values in row for value in values):
        return None
    samples = tuple(samples_of[size] for size in sizes)
    labels = tuple(next(iter(rows.values())).base_label for rows in rows_of.values())
    return Deviations(labels, tuple(column.label for column in columns), samples, deviations)


def _deviation(table: Table, row: TableRow | None, column: Column) -> float | None:
    floor = None if row is None else table.floor(column, row.size)
    score = None if row is None else row.score(column)
    if floor is None or score is None or not floor.sd:
        return None
    excess = floor.mean - score.mean if column.higher_is_better else score.mean - floor.mean
    return excess / floor.sd


def colour(deviation: float | None) -> str:
    """Return the colour that stands for a deviation."""
    if deviation is None:
        return MISSING
    level = sum(abs(deviation) > edge for edge in EDGES)
    return AT_FLOOR if level == 0 else (WORSE if deviation > 0 else BETTER)[level - 1]


def short(deviation: float | None) -> str:
    """Return what is written on a colour: nothing at the floor, else the deviation without its sign, which the colour gives."""
    if deviation is None or abs(deviation) <= EDGES[0]:
        return ""
    return f"{abs(deviation):.0f}" if abs(deviation) < 1000 else f"{abs(deviation) / 1000:.0f}k"


def _draw(shown: Deviations) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, 1.75 + 0.33 * len(shown.rows)), layout="constrained")
    axis = figure.subplots()
    _draw_cells(axis, shown)
    _draw_frame(axis, shown)
    _draw_heads(axis, shown)
    figure.legend(handles=list(_legend()), loc="outside lower center", ncols=5, frameon=False, fontsize=7.5)
    return figure


def _legend() -> Iterator[Patch]:
    """Yield the entries column by column: worse above better, at the same distance from the floor."""
    from matplotlib.patches import Patch

    distances = [f"{low:g} to {high:g}" for low, high in pairwise(EDGES)] + [f"over {EDGES[-1]:g}"]
    yield Patch(facecolor=AT_FLOOR, edgecolor="#AAAAAA", label=f"at the floor (within {EDGES[0]:g} sd)")
    yield Patch(facecolor="none", edgecolor="none", label="")
    for worse, better, distance in zip(WORSE, BETTER, distances, strict=True):
        yield Patch(facecolor=worse, label=f"worse: {distance} sd")
        yield Patch(facecolor=better, label=f"better: {distance} sd")


def _draw_cells(axis: Axes, shown: Deviations) -> None:
    """Draw each row as one line, each metric as one unit of width, with its numbers of samples from left to right."""
    from matplotlib.patches import Rectangle

    width = 1 / len(shown.sizes)
    for y, row in enumerate(shown.deviations):
        for x, deviations in enumerate(row):
            for place, deviation in enumerate(deviations):
                left = x + place * width
                axis.add_patch(Rectangle((left, y), width, 1, facecolor=colour(deviation), edgecolor="#DDDDDD", linewidth=0.5))
                ink = "white" if deviation is not None and abs(deviation) > EDGES[2] else "#444444"
                axis.text(left + width / 2, y + 0.52, short(deviation), ha="center", va="center", fontsize=5.5, color=ink)


def _draw_frame(axis: Axes, shown: Deviations) -> None:
    for x in range(len(shown.metrics) + 1):
        axis.axvline(x, color="#555555", linewidth=1.2)
    axis.set(xlim=(0, len(shown.metrics)), ylim=(len(shown.rows), 0))
    axis.set_yticks([y + 0.5 for y in range(len(shown.rows))], [plain(row) for row in shown.rows])
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)


def _draw_heads(axis: Axes, shown: Deviations) -> None:
    """Write metrics above their columns, and the numbers of samples, where there are several, between them and the cells."""
    axis.xaxis.tick_top()
    has_sizes = len(shown.sizes) > 1
    width = 1 / len(shown.sizes)
    ticks = [x + (place + 0.5) * width for x in range(len(shown.metrics)) for place in range(len(shown.sizes))]
    if has_sizes:
        labels = [str(size) for _ in shown.metrics for size in shown.sizes]
        axis.set_xticks(ticks, labels, rotation=90, fontsize=6, color="#555555")
    else:
        axis.set_xticks([])
    for x, label in enumerate(shown.metrics):
        axis.annotate(
            plain(label).replace("[", "\n["),  # `fid[fashion-cnn]` in two lines
            (x + 0.5, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 26 if has_sizes else 4),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=8,
        )
