"""Samples, one panel a base × method: generated against real points (as Figure 3 of arXiv:2301.13362), or sheets of images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.report.collect import Collection
from harness.report.plots.plot import COLOURS, WIDTH, Plot
from harness.report.preview import Preview, Previews

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from harness.board.cells import Row

COLUMNS = 4
SHEET_COLUMNS = 3
TITLE = 0.5
"""Inches above each panel."""
MARGIN = 0.15
"""Around the real points, as a part of their larger extent; what lies outside is counted in the panel, not shown."""


@dataclass(frozen=True)
class Panel:
    """One base × method, or data."""

    base: str
    method: str
    preview: Preview


def samples_plot(collection: Collection, previews: Previews) -> Plot | None:
    """None when there is nothing to show."""
    real = previews.real
    panels = [_panel_of(row, previews.rows[row.name]) for row, _ in collection.rows if row.name in previews.rows]
    if real is None or not panels:
        return None
    if real.sheet:
        panels = [Panel("real", "held-out images", real), *(panel for panel in panels if panel.preview.sheet)]
    inputs = "\n".join([real.text(), *(f"{panel.base}\n{panel.method}\n{panel.preview.text()}" for panel in panels)])
    if real.sheet:
        has_models = any(panel.base for panel in panels[1:])
        caption = "Real images, and " + ("generated ones, one panel a base and method" if has_models else "those of each row")
        return Plot("samples.png", caption, inputs, lambda: _sheets(panels))
    caption = "Generated points (blue) over real points (grey), one panel a base and method"
    return Plot("samples.png", caption, inputs, lambda: _draw(real, panels))


def _panel_of(row: Row, preview: Preview) -> Panel:
    """Of data in the place of a model nothing generated anything, and the base's label says it all."""
    return Panel(row.base.label, row.method_label, preview) if row.base.has_network else Panel("", row.base.label, preview)


def _sheets(panels: list[Panel]) -> Figure:
    """All sheets at one scale, with hard pixel edges: what a small model really makes."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    from harness.report.sheet import pixels

    sheets = _of_one_size([pixels(panel.preview.sheet) for panel in panels])
    columns = min(SHEET_COLUMNS, len(panels))
    lines = math.ceil(len(panels) / columns)
    ratio = sheets[0].shape[0] / sheets[0].shape[1]
    height = WIDTH / SHEET_COLUMNS * ratio + TITLE
    figure = Figure(figsize=(WIDTH * columns / SHEET_COLUMNS, lines * height), layout=ConstrainedLayoutEngine(h_pad=0.06))
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    for axis, panel, sheet in zip(axes, panels, sheets, strict=False):
        axis.imshow(sheet, interpolation="nearest")
        axis.set_title(f"{panel.method}\n", pad=2)
        axis.text(0.5, 1.02, panel.base, transform=axis.transAxes, ha="center", va="bottom", fontsize=7.5, color="#555555")
    for axis in axes:
        axis.set_axis_off()
    return figure


def _of_one_size(sheets: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
    """With white to the right and below where a set has fewer classes or images: else it would be drawn larger."""
    import numpy as np

    height, width = (max(sheet.shape[axis] for sheet in sheets) for axis in (0, 1))
    rest = [((0, height - sheet.shape[0]), (0, width - sheet.shape[1]), (0, 0)) for sheet in sheets]
    return [np.pad(sheet, missing, constant_values=255) for sheet, missing in zip(sheets, rest, strict=True)]


def _draw(real: Preview, panels: list[Panel]) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    columns = min(COLUMNS, len(panels))
    lines = math.ceil(len(panels) / columns)
    (left, right), (bottom, top) = _limits(real)
    height = WIDTH / COLUMNS * (top - bottom) / (right - left)
    engine = ConstrainedLayoutEngine(h_pad=0.06)
    figure = Figure(figsize=(WIDTH * columns / COLUMNS, lines * (height + TITLE)), layout=engine)
    axes = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for axis, panel in zip(axes, panels, strict=False):
        _panel(axis, real, panel)
        axis.set(xlim=(left, right), ylim=(bottom, top), aspect="equal")
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set(visible=True, color="#DDDDDD")
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    return figure


def _panel(axis: Axes, real: Preview, panel: Panel) -> None:
    _scatter(axis, real.points, size=5, colour="#A8A8A8")
    points = [point for point in panel.preview.points if all(map(math.isfinite, point))]
    _scatter(axis, points, size=2.5, colour=COLOURS[0])
    (left, right), (bottom, top) = _limits(real)
    inside = sum(left <= x <= right and bottom <= y <= top for x, y in points)
    outside = len(panel.preview.points) - inside
    axis.set_title(panel.method, pad=14)
    below = panel.base + (f", {outside:,} of {len(panel.preview.points):,} outside" if outside else "")
    axis.text(0.5, 1.02, below, transform=axis.transAxes, ha="center", va="bottom", fontsize=7.5, color="#555555")


def _scatter(axis: Axes, points: Sequence[Sequence[float]], *, size: float, colour: str) -> None:
    axis.scatter([x for x, _ in points], [y for _, y in points], s=size, color=colour, linewidths=0)


def _limits(real: Preview) -> tuple[tuple[float, float], tuple[float, float]]:
    """The same box for all panels, around the real points."""
    (left, right), (bottom, top) = ((min(values), max(values)) for values in zip(*real.points, strict=True))
    margin = max(right - left, top - bottom) * MARGIN
    return (left - margin, right + margin), (bottom - margin, top + margin)
