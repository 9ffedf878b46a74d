"""The plot of two metrics against each other along a sweep of a sampler's setting, such as a guidance weight: a line a method."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from harness.board.columns import Column
from harness.board.samplers import SweepPoint
from harness.report.number_text import factor
from harness.report.plots.lines import Look, look
from harness.report.plots.panels import grid_shape, legend_entries, panel_axes, use_log_scale_if_wide
from harness.report.plots.plot import WIDTH, Plot, plain
from harness.report.rows import TableRow
from harness.report.table import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 2
LOOKS: dict[str, Look] = {
    "control": {"color": "black", "marker": "o", "linestyle": "-"},
    "base": {"color": "#7F7F7F", "marker": "x", "linestyle": ":"},
}
"""The looks of the control, and of the method that does not train; each other method has a colour."""
BROWN = "#8C510A"


# The names of all fields below are part of a plot's digest: with another name every committed plot would be stale.


@dataclass(frozen=True)
class SweepLine:
    """One method: mean and standard deviation over seeds of both metrics at each value of the setting, in the table's units.

    Args:
        look: "control", "base", or the number of the method among the others.
    """

    label: str
    look: str | int
    values: tuple[float, ...]
    x: tuple[float, ...]
    x_sds: tuple[float, ...]
    y: tuple[float, ...]
    y_sds: tuple[float, ...]


@dataclass(frozen=True)
class SweepPanel:
    """One base and one sweep."""

    title: str
    x_label: str
    y_label: str
    lines: tuple[SweepLine, ...]


def sweeps_plot(table: Table) -> Plot | None:
    """Return the plot; None for a board without a sweep or without two columns that rank, and when nothing is done."""
    if len(table.ranking_columns) < 2:
        return None
    y, x = table.ranking_columns[:2]
    panels = _panels(table, x, y)
    if not panels:
        return None
    settings = dict.fromkeys(sampler.point.setting for sampler in table.board.samplers if sampler.point is not None)
    corner = f"{'upper' if y.higher_is_better else 'lower'} {'right' if x.higher_is_better else 'left'}"
    looks = {line.look for panel in panels for line in panel.lines}
    named = [
        text for name, text in (("control", "black is the control"), ("base", "grey the base without training")) if name in looks
    ]
    caption = "; ".join([
        f"{y.label} against {x.label}, a line a method on the same weights, with the {' or '.join(settings)} beside each point: "
        f"mean over seeds, bars of one standard deviation",
        *([", ".join(named)] if named else []),
        f"towards the {corner} corner both are better",
    ])  # fmt: skip
    return Plot("sweeps.png", caption, json.dumps([asdict(panel) for panel in panels]), lambda: _draw(panels))


def _panels(table: Table, x: Column, y: Column) -> list[SweepPanel]:
    """Return a panel for each base and sweep that has results. Of several numbers of samples the largest is shown."""
    point_of = {sampler.name: sampler.point for sampler in table.board.samplers if sampler.point is not None}
    largest = max(floor.samples for floor in table.board.floors)
    sizes = {floor.size for floor in table.board.floors if floor.samples == largest}
    points: dict[tuple[str, str], list[tuple[SweepPoint, TableRow]]] = {}
    for row in table.rows:
        point = None if row.sampler is None else point_of.get(row.sampler)
        if point is not None and row.size in sizes:
            points.setdefault((row.base, point.sweep), []).append((point, row))
    has_several = len({sweep for _, sweep in points}) > 1
    looks = _looks([row for group in points.values() for _, row in group], table)
    panels = []
    for group in points.values():
        (point, row), lines = group[0], _lines(group, looks, x, y)
        title = f"{row.base_label}, {point.label}" if has_several else row.base_label
        if lines:
            panels.append(SweepPanel(title, _axis_label(x), _axis_label(y), tuple(lines)))
    return panels


def _looks(rows: Sequence[TableRow], table: Table) -> dict[str, str | int]:
    """Return the look of each method. One label has one look in all panels, since they share a legend."""

    def special(row: TableRow) -> str | None:
        if not row.trains:
            return "base"
        return "control" if row.method in table.board.config.control else None

    others = list(dict.fromkeys(row.method_label for row in rows if special(row) is None))
    return {row.method: special(row) or others.index(row.method_label) for row in rows}


def _lines(group: Sequence[tuple[SweepPoint, TableRow]], looks: Mapping[str, str | int], x: Column, y: Column) -> list[SweepLine]:
    """Return the line of each method that has results, in the order of the board; its points are ordered by the setting."""
    by_method: dict[str, list[tuple[SweepPoint, TableRow]]] = {}
    for point, row in group:
        by_method.setdefault(row.method, []).append((point, row))
    lines = []
    for method, points in by_method.items():
        done = sorted(((point.value, row) for point, row in points if row.score(x) and row.score(y)), key=lambda pair: pair[0])
        if done:
            lines.append(_line(done, looks[method], x, y))
    return lines


def _line(done: Sequence[tuple[float, TableRow]], style: str | int, x: Column, y: Column) -> SweepLine:
    def means_and_sds(column: Column) -> tuple[tuple[float, ...], tuple[float, ...]]:
        scores = [score for _, row in done if (score := row.score(column)) is not None]
        unit = column.shown_in
        return tuple(score.mean / unit for score in scores), tuple((score.sd or 0.0) / unit for score in scores)

    values = tuple(value for value, _ in done)
    return SweepLine(done[0][1].method_label, style, values, *means_and_sds(x), *means_and_sds(y))


def _axis_label(column: Column) -> str:
    arrow = "↑" if column.higher_is_better else "↓"
    return f"{column.label} {arrow}" + ("" if column.shown_in == 1 else f" ({factor(column.shown_in)})")


def _draw(panels: Sequence[SweepPanel]) -> Figure:
    from matplotlib.figure import Figure

    lines, columns = grid_shape(len(panels), COLUMNS)
    figure = Figure(figsize=(WIDTH if columns > 1 else 0.7 * WIDTH, 4.0 * lines + 0.4), layout="constrained")
    axes = panel_axes(figure, len(panels), (lines, columns))
    for axis, panel in zip(axes, panels, strict=True):
        _draw_panel(axis, panel)
    handles, labels = legend_entries(axes, last="")
    figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False, fontsize=8)
    return figure


def _draw_panel(axis: Axes, panel: SweepPanel) -> None:
    for line in panel.lines:
        style = _style(line.look)
        axis.errorbar(
            line.x, line.y, xerr=line.x_sds, yerr=line.y_sds, markersize=4, linewidth=1.3, elinewidth=0.7, capsize=1.5,
            label=plain(line.label), **style,
        )  # fmt: skip
        for value, x, y in zip(line.values, line.x, line.y, strict=True):
            axis.annotate(f"{value:.12g}", (x, y), xytext=(4, 4), textcoords="offset points", fontsize=6.5, color=style["color"])
    use_log_scale_if_wide(axis, [y for line in panel.lines for y in line.y])
    axis.set(title=plain(panel.title), xlabel=plain(panel.x_label), ylabel=plain(panel.y_label))
    axis.grid(color="#EEEEEE", linewidth=0.6)
    axis.set_axisbelow(True)


def _style(of_line: str | int) -> Look:
    """Return the look of a line. Grey, the last of the colours, is the base's: a method whose turn it is gets brown."""
    if isinstance(of_line, str):
        return LOOKS[of_line]
    style = look(of_line)
    return {**style, "color": BROWN} if style["color"] == LOOKS["base"]["color"] else style
