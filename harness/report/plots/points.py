"""The figure of generated points over real points, one panel a base × method (as Figure 3 of arXiv:2301.13362)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.report.plots.panels import grid_shape, panel_axes
from harness.report.plots.plot import COLOURS, WIDTH
from harness.report.plots.sample_panel import SamplePanel, write_below_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 4
TITLE = 0.5
"""Inches above each panel."""
MARGIN = 0.15
"""Margin around the real points, as a share of their larger extent; points outside are counted in the heading, not shown."""

Points = Sequence[Sequence[float]]
Box = tuple[tuple[float, float], tuple[float, float]]
"""(left, right), (bottom, top)."""


def points_figure(real: Points, panels: Sequence[SamplePanel]) -> Figure:
    """Draw the points of all panels in one box, so that they can be compared."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    lines, columns = grid_shape(len(panels), COLUMNS)
    (left, right), (bottom, top) = box = box_around(real)
    height = WIDTH / COLUMNS * (top - bottom) / (right - left)
    engine = ConstrainedLayoutEngine(h_pad=0.06)
    figure = Figure(figsize=(WIDTH * columns / COLUMNS, lines * (height + TITLE)), layout=engine)
    axes = panel_axes(figure, len(panels), (lines, columns), share_x=True, share_y=True)
    for axis, panel in zip(axes, panels, strict=True):
        _draw_panel(axis, real, panel, box)
        axis.set(xlim=(left, right), ylim=(bottom, top), aspect="equal")
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set(visible=True, color="#DDDDDD")
    return figure


def box_around(real: Points) -> Box:
    """Return the box around the real points, with its margin."""
    (left, right), (bottom, top) = ((min(values), max(values)) for values in zip(*real, strict=True))
    margin = max(right - left, top - bottom) * MARGIN
    return (left - margin, right + margin), (bottom - margin, top + margin)


def outside(points: Points, box: Box) -> int:
    """Return how many points are not in the box; a point with a coordinate that is not finite is in none."""
    (left, right), (bottom, top) = box
    return sum(not (left <= x <= right and bottom <= y <= top) for x, y in points)


def _draw_panel(axis: Axes, real: Points, panel: SamplePanel, box: Box) -> None:
    points = panel.preview.points
    _scatter(axis, real, size=5, colour="#A8A8A8")
    _scatter(axis, [point for point in points if all(map(math.isfinite, point))], size=2.5, colour=COLOURS[0])
    hidden = outside(points, box)
    axis.set_title(panel.title(COLUMNS), pad=14)
    write_below_title(axis, panel.base + (f", {hidden:,} of {len(points):,} outside" if hidden else ""))


def _scatter(axis: Axes, points: Points, *, size: float, colour: str) -> None:
    axis.scatter([x for x, _ in points], [y for _, y in points], s=size, color=colour, linewidths=0)
