"""The figure of sheets of images, one panel a base × method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.report.plots.panels import grid_shape, panel_axes
from harness.report.plots.plot import WIDTH
from harness.report.plots.sample_panel import SamplePanel, write_below_title

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

COLUMNS = 3
TITLE = 0.5
"""Inches above each panel."""


def sheets_figure(panels: Sequence[SamplePanel]) -> Figure:
    """Draw all sheets at one scale, with hard edges between pixels, so that readers see what a small model really makes."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    from harness.report.sheet import pixels

    sheets = padded([pixels(panel.preview.sheet) for panel in panels])
    lines, columns = grid_shape(len(panels), COLUMNS)
    ratio = sheets[0].shape[0] / sheets[0].shape[1]
    height = WIDTH / COLUMNS * ratio + TITLE
    figure = Figure(figsize=(WIDTH * columns / COLUMNS, lines * height), layout=ConstrainedLayoutEngine(h_pad=0.06))
    axes = panel_axes(figure, len(panels), (lines, columns))
    for axis, panel, sheet in zip(axes, panels, sheets, strict=True):
        axis.imshow(sheet, interpolation="nearest")
        axis.set_title(f"{panel.title(COLUMNS)}\n", pad=2)
        write_below_title(axis, panel.base)
        axis.set_axis_off()
    return figure


def padded(sheets: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
    """Return sheets (height, width, 3) of one size, with white to the right and below where a set has fewer classes or images.

    Otherwise a smaller sheet would be drawn at a larger scale.
    """
    import numpy as np

    height, width = (max(sheet.shape[axis] for sheet in sheets) for axis in (0, 1))
    missing = [((0, height - sheet.shape[0]), (0, width - sheet.shape[1]), (0, 0)) for sheet in sheets]
    return [np.pad(sheet, pad, constant_values=255) for sheet, pad in zip(sheets, missing, strict=True)]
