"""Every metric against the number of samples, one panel a metric: what a small n adds to a value."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from harness.board.columns import Column
from harness.report.formats import unit as factor
from harness.report.plots.plot import COLOURS, LINES, MARKERS, WIDTH, Plot
from harness.report.rows import Score, TableRow
from harness.report.table import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 3
FLOOR = "floor (real against real)"


@dataclass(frozen=True)
class Line:
    """One row of the table: numbers of samples, and mean and standard deviation at each, in the unit of the table."""

    label: str
    style: int
    sizes: tuple[int, ...]
    means: tuple[float, ...]
    sds: tuple[float, ...]


@dataclass(frozen=True)
class Panel:
    """One metric; the floor is a line as the others."""

    title: str
    floor: Line | None
    lines: tuple[Line, ...]


def sizes_plot(table: Table) -> Plot | None:
    """None for a board that measures at one number of samples, or when nothing is done."""
    metrics = [metric for metric in table.board.columns if metric.ranks]
    panels = [_panel_of(table, metric) for metric in metrics]
    panels = [panel for panel in panels if panel.lines or panel.floor]
    if len(table.sizes) < 2 or not panels:
        return None
    caption = (
        "Each metric against the number of samples: mean over seeds, bars of one standard deviation; dashed with a grey band is "
        "the floor, real against real"
    )
    return Plot("sizes.png", caption, json.dumps([asdict(panel) for panel in panels]), lambda: _draw(panels))


def _panel_of(table: Table, metric: Column) -> Panel:
    unit = metric.shown_in
    found: dict[str, list[tuple[int, Score]]] = {}
    for row in table.rows:
        value = row.score(metric)
        line = found.setdefault(_label(table, row), [])
        if value is not None and row.size is not None:
            line.append((row.size, value))
    floors = [(size, floor) for size in table.sizes if size is not None and (floor := table.floor(metric, size)) is not None]
    lines = [_line(label, style, points, unit) for style, (label, points) in enumerate(found.items()) if points]
    arrow = "↑" if metric.higher_is_better else "↓"
    title = f"{metric.label} {arrow}" + ("" if unit == 1 else f" ({factor(unit)})")
    return Panel(title, _line(FLOOR, -1, floors, unit) if floors else None, tuple(lines))


def _label(table: Table, row: TableRow) -> str:
    return f"{row.base_label} × {row.method_label}" if table.has_models else row.base_label


def _line(label: str, style: int, points: Sequence[tuple[int, Score]], unit: float) -> Line:
    ordered = sorted(points, key=lambda point: point[0])
    return Line(
        label,
        style,
        tuple(size for size, _ in ordered),
        tuple(value.mean / unit for _, value in ordered),
        tuple((value.sd or 0.0) / unit for _, value in ordered),
    )


def _draw(panels: Sequence[Panel]) -> Figure:
    from matplotlib.figure import Figure

    columns = min(COLUMNS, len(panels))
    lines = -(-len(panels) // columns)
    figure = Figure(figsize=(WIDTH, 2.4 * lines + 0.7), layout="constrained")
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    for axis, panel in zip(axes, panels, strict=False):
        _panel(axis, panel)
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    found = {label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    labels = sorted(found, key=lambda label: label == FLOOR)
    figure.legend([found[label] for label in labels], labels, loc="outside lower center", ncols=5, frameon=False, fontsize=8)
    return figure


def _panel(axis: Axes, panel: Panel) -> None:
    for line in panel.lines:
        colour = COLOURS[line.style % len(COLOURS)]
        marker = MARKERS[(line.style + line.style // len(COLOURS)) % len(MARKERS)]  # the eighth differs from the first
        axis.errorbar(
            line.sizes, line.means, yerr=line.sds, color=colour, marker=marker, markersize=4,
            linestyle=LINES[line.style % len(LINES)], linewidth=1.3, elinewidth=1, label=line.label,
        )  # fmt: skip
    if panel.floor is not None:
        floor = panel.floor
        lower = [mean - sd for mean, sd in zip(floor.means, floor.sds, strict=True)]
        upper = [mean + sd for mean, sd in zip(floor.means, floor.sds, strict=True)]
        axis.fill_between(floor.sizes, lower, upper, color="black", alpha=0.12, linewidth=0)
        axis.plot(floor.sizes, floor.means, color="black", linestyle="--", linewidth=1.2, label=floor.label)
    axis.set(title=panel.title, xlabel="n")
    axis.grid(axis="y", which="major", color="#EEEEEE", linewidth=0.6)
    axis.set_axisbelow(True)
    _scales(axis, panel)


def _scales(axis: Axes, panel: Panel) -> None:
    """Numbers of samples are written where they are; values on a log scale where they span several factors."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

    drawn = [*panel.lines, *((panel.floor,) if panel.floor else ())]
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(FixedLocator(sorted({size for line in drawn for size in line.sizes})))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    means = [mean for line in drawn for mean in line.means]
    if min(means) > 0 and max(means) / min(means) > 5:
        axis.set_yscale("log")
        axis.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.yaxis.set_minor_formatter(NullFormatter())
