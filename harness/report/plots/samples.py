"""Generated against real points, one panel a base × method (as Figure 3 of arXiv:2301.13362)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.report.collect import Collection
from harness.report.plots.plot import COLOURS, WIDTH, Plot
from harness.report.preview import Preview, Previews

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 4
MARGIN = 0.15
"""Around the real points, as a part of their extent; what lies outside is counted in the panel, not shown."""


@dataclass(frozen=True)
class Panel:
    """One base × method."""

    title: str
    preview: Preview


def samples_plot(collection: Collection, previews: Previews) -> Plot | None:
    """None when there is nothing to show."""
    real = previews.real
    panels = [
        Panel(f"{row.base.label}\n{row.method_label}", previews.rows[row.name])
        for row, _ in collection.rows
        if row.name in previews.rows
    ]
    if real is None or not panels:
        return None
    inputs = "\n".join([real.text(), *(f"{panel.title}\n{panel.preview.text()}" for panel in panels)])
    caption = "Generated points (blue) over real points (grey), one panel a base and method"
    return Plot("samples.png", caption, inputs, lambda: _draw(real, panels))


def _draw(real: Preview, panels: list[Panel]) -> Figure:
    from matplotlib.figure import Figure

    columns = min(COLUMNS, len(panels))
    lines = math.ceil(len(panels) / columns)
    side = WIDTH / COLUMNS
    figure = Figure(figsize=(WIDTH, lines * (side + 0.35)), layout="constrained")
    axes = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True).ravel()
    (left, right), (bottom, top) = _limits(real)
    for axis, panel in zip(axes, panels, strict=False):
        _panel(axis, real, panel)
        axis.set(xlim=(left, right), ylim=(bottom, top), aspect="equal")
    for axis in axes:
        axis.set_axis_off()
    return figure


def _panel(axis: Axes, real: Preview, panel: Panel) -> None:
    axis.scatter(*zip(*real.points, strict=True), s=5, color="#BBBBBB", linewidths=0)
    points = [point for point in panel.preview.points if all(map(math.isfinite, point))]
    if points:
        axis.scatter(*zip(*points, strict=True), s=2.5, color=COLOURS[0], linewidths=0)
    axis.set_title(panel.title)
    (left, right), (bottom, top) = _limits(real)
    inside = sum(left <= x <= right and bottom <= y <= top for x, y in points)
    if outside := len(panel.preview.points) - inside:
        axis.text(0.5, 0.0, f"{outside} outside", transform=axis.transAxes, ha="center", va="bottom", fontsize=7)


def _limits(real: Preview) -> tuple[tuple[float, float], tuple[float, float]]:
    """The same square for all panels, around the real points."""
    low = [min(values) for values in zip(*real.points, strict=True)]
    high = [max(values) for values in zip(*real.points, strict=True)]
    half = max(b - a for a, b in zip(low, high, strict=True)) * (0.5 + MARGIN)
    x, y = ((a + b) / 2 for a, b in zip(low, high, strict=True))
    return (x - half, x + half), (y - half, y + half)
