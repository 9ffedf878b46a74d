"""The plot of which data each metric tells from real data: each row's distance from the floor, in the floor's deviations."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from harness.board.columns import Column
from harness.report.plots.plot import WIDTH, Plot, plain
from harness.report.rows import TableRow
from harness.report.table import Table
from harness.statistics.student import LEVEL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

FILE = "seen.png"
EDGES = (5.0, 20.0, 100.0)
"""Limits between the colours of values that a test tells from real data, in the floor's standard deviations."""
WORSE = ("#FDDBC7", "#F4A582", "#D6604D", "#8E0B24")
"""Colours of values that are told from real data and worse, one to each edge, and one beyond the last."""
BETTER = ("#D1E5F0", "#92C5DE", "#4393C3", "#1B4F8A")
DARK = {*WORSE[2:], *BETTER[2:]}
AT_FLOOR, MISSING = "#FFFFFF", "#E8E8E8"


@dataclass(frozen=True)
class Deviations:
    """All that the plot shows. The fields' names are part of its digest: with other names committed plots would be stale.

    Args:
        deviations: by row, metric, and number of samples, in the floor's standard deviations: above 0 where the value is worse
            than the floor's mean, below 0 where it is better; None where a number is missing, or there is no test.
        told: alike, whether the test of the table's † and ‡ tells the value from real data.
    """

    rows: tuple[str, ...]
    metrics: tuple[str, ...]
    sizes: tuple[int, ...]
    deviations: tuple[tuple[tuple[float | None, ...], ...], ...]
    told: tuple[tuple[tuple[bool, ...], ...], ...]


def deviations_plot(table: Table) -> Plot | None:
    """Return the plot; None for a board of models, or when no row or no floor is done."""
    shown = deviations_of(table)
    if shown is None:
        return None
    sizes = f", from left to right at n = {', '.join(f'{size:,}' for size in shown.sizes)}" if len(shown.sizes) > 1 else ""
    caption = (
        "What each metric tells from real data: white is what the test of † cannot tell, red is worse than the floor, and blue "
        "better; of values of equal data chance tells one in twenty. The number is the distance from the floor in standard "
        f"deviations of its pairs{sizes}"
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
    values = [[[_deviation(table, rows.get(size), column) for size in sizes] for column in columns] for rows in rows_of.values()]
    if all(value is None for row in values for of_column in row for value in of_column):
        return None
    deviations = tuple(
        tuple(tuple(None if value is None else value.distance for value in of_column) for of_column in row) for row in values
    )
    told = tuple(tuple(tuple(value is not None and value.is_told for value in of_column) for of_column in row) for row in values)
    samples = tuple(samples_of[size] for size in sizes)
    labels = tuple(next(iter(rows.values())).base_label for rows in rows_of.values())
    return Deviations(labels, tuple(column.label for column in columns), samples, deviations, told)


class _Value(NamedTuple):
    distance: float
    is_told: bool


def _deviation(table: Table, row: TableRow | None, column: Column) -> _Value | None:
    floor = None if row is None else table.floor(column, row.size)
    test = None if row is None else table.tests(row, column).to_floor
    if floor is None or test is None or not floor.sd:
        return None
    distance = test.mean / floor.sd
    return _Value(-distance if column.higher_is_better else distance, test.p <= LEVEL)


def colour(deviation: float | None, *, is_told: bool) -> str:
    """Return the colour that stands for a deviation, which a test tells from real data or not."""
    if deviation is None:
        return MISSING
    if not is_told:
        return AT_FLOOR
    return (WORSE if deviation > 0 else BETTER)[sum(abs(deviation) > edge for edge in EDGES)]


def short(deviation: float | None, *, is_told: bool) -> str:
    """Return what is written on a colour: nothing at the floor, else the deviation without its sign, which the colour gives."""
    if deviation is None or not is_told:
        return ""
    if abs(deviation) < 10:
        return f"{abs(deviation):.1f}"
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

    inner = [f"{low:g} to {high:g}" for low, high in pairwise(EDGES)]
    distances = [f"to {EDGES[0]:g}", *inner, f"over {EDGES[-1]:g}"]
    yield Patch(facecolor=AT_FLOOR, edgecolor="#AAAAAA", label="not told from real data (†)")
    yield Patch(facecolor="none", edgecolor="none", label="")
    for worse, better, distance in zip(WORSE, BETTER, distances, strict=True):
        yield Patch(facecolor=worse, label=f"worse: {distance} sd")
        yield Patch(facecolor=better, label=f"better: {distance} sd")


def _draw_cells(axis: Axes, shown: Deviations) -> None:
    """Draw each row as one line, each metric as one unit of width, with its numbers of samples from left to right."""
    from matplotlib.patches import Rectangle

    width = 1 / len(shown.sizes)
    for y, (row, told) in enumerate(zip(shown.deviations, shown.told, strict=True)):
        for x, (deviations, are_told) in enumerate(zip(row, told, strict=True)):
            for place, (deviation, is_told) in enumerate(zip(deviations, are_told, strict=True)):
                left, face = x + place * width, colour(deviation, is_told=is_told)
                axis.add_patch(Rectangle((left, y), width, 1, facecolor=face, edgecolor="#DDDDDD", linewidth=0.5))
                ink = "white" if face in DARK else "#444444"
                text = short(deviation, is_told=is_told)
                axis.text(left + width / 2, y + 0.52, text, ha="center", va="center", fontsize=5.5, color=ink)


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
