"""The plot of every metric against the number of samples, one panel a metric. It shows what a small n adds to a value."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from harness.board.columns import Column
from harness.report.number_text import factor
from harness.report.plots.lines import look
from harness.report.plots.panels import grid_shape, legend_entries, panel_axes, use_log_scale_if_wide
from harness.report.plots.plot import WIDTH, Plot, plain
from harness.report.rows import TableRow
from harness.report.scores import Score
from harness.report.table import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 3
FLOOR = "floor (real against real)"
FLOOR_STYLE = -1


# The names of all fields below are part of a plot's digest: with another name every committed plot would be stale.


@dataclass(frozen=True)
class SizeLine:
    """One row of the table: numbers of samples, and mean and standard deviation at each, in the unit of the table."""

    label: str
    style: int
    sizes: tuple[int, ...]
    means: tuple[float, ...]
    sds: tuple[float, ...]


@dataclass(frozen=True)
class SizePanel:
    """One metric.

    Args:
        floor: None when it is not measured.
    """

    title: str
    floor: SizeLine | None
    lines: tuple[SizeLine, ...]


def sizes_plot(table: Table) -> Plot | None:
    """Return the plot; None for a board that measures at one number of samples, or when nothing is done."""
    columns = [column for column in table.board.columns if column.ranks]
    panels = [panel for panel in (_panel(table, column) for column in columns) if panel.lines or panel.floor]
    if len(table.sizes) < 2 or not panels:
        return None
    caption = (
        "Each metric against the number of samples: mean over seeds, bars of one standard deviation; dashed with a grey band is "
        "the floor, real against real"
    )
    return Plot("sizes.png", caption, json.dumps([asdict(panel) for panel in panels]), lambda: _draw(panels))


def _panel(table: Table, column: Column) -> SizePanel:
    unit = column.shown_in
    lines_of: dict[tuple[str | None, ...], tuple[str, list[tuple[int, Score]]]] = {}
    for row in table.rows:
        names = row.base, row.method if table.has_models else None, row.sampler
        _, points = lines_of.setdefault(names, (_label(table, row), []))
        if (score := row.score(column)) is not None and row.size is not None:
            points.append((row.size, score))
    floors = [(size, score) for size in table.sizes if size is not None and (score := table.floor(column, size)) is not None]
    lines = [_line(label, style, points, unit) for style, (label, points) in enumerate(lines_of.values()) if points]
    arrow = "↑" if column.higher_is_better else "↓"
    title = f"{column.label} {arrow}" + ("" if unit == 1 else f" ({factor(unit)})")
    return SizePanel(title, _line(FLOOR, FLOOR_STYLE, floors, unit) if floors else None, tuple(lines))


def _label(table: Table, row: TableRow) -> str:
    label = f"{row.base_label} × {row.method_label}" if table.has_models else row.base_label
    return label if row.sampler_label is None else f"{label}, {row.sampler_label}"


def _line(label: str, style: int, points: Sequence[tuple[int, Score]], unit: float) -> SizeLine:
    """Return the line through (size, score) points, in the order of the sizes."""
    ordered = sorted(points, key=lambda point: point[0])
    return SizeLine(
        label,
        style,
        tuple(size for size, _ in ordered),
        tuple(score.mean / unit for _, score in ordered),
        tuple((score.sd or 0.0) / unit for _, score in ordered),
    )


def _draw(panels: Sequence[SizePanel]) -> Figure:
    from matplotlib.figure import Figure

    lines, columns = grid_shape(len(panels), COLUMNS)
    figure = Figure(figsize=(WIDTH, 2.4 * lines + 0.7), layout="constrained")
    axes = panel_axes(figure, len(panels), (lines, columns))
    for axis, panel in zip(axes, panels, strict=True):
        _draw_panel(axis, panel)
    handles, labels = legend_entries(axes, last=FLOOR)
    figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False, fontsize=8)
    return figure


def _draw_panel(axis: Axes, panel: SizePanel) -> None:
    for line in panel.lines:
        style = look(line.style)
        axis.errorbar(
            line.sizes, line.means, yerr=line.sds, markersize=4, linewidth=1.3, elinewidth=1, label=plain(line.label), **style
        )
    if (floor := panel.floor) is not None:
        lower = [mean - sd for mean, sd in zip(floor.means, floor.sds, strict=True)]
        upper = [mean + sd for mean, sd in zip(floor.means, floor.sds, strict=True)]
        axis.fill_between(floor.sizes, lower, upper, color="black", alpha=0.12, linewidth=0)
        axis.plot(floor.sizes, floor.means, color="black", linestyle="--", linewidth=1.2, label=floor.label)
    axis.set(title=plain(panel.title), xlabel="n")
    axis.grid(axis="y", which="major", color="#EEEEEE", linewidth=0.6)
    axis.set_axisbelow(True)
    _set_scales(axis, panel)


def _set_scales(axis: Axes, panel: SizePanel) -> None:
    """Write the numbers of samples where they are, and draw values that span several factors on a log scale."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    lines = [*panel.lines, *((panel.floor,) if panel.floor else ())]
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(FixedLocator(sorted({size for line in lines for size in line.sizes})))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    use_log_scale_if_wide(axis, [mean for line in lines for mean in line.means])
