"""The plot of samples, one panel a base × method: generated points over real points, or sheets of images."""

from __future__ import annotations

from collections.abc import Container, Sequence

from harness.board.cells import Row
from harness.report.board_previews import BoardPreviews
from harness.report.collect import Collection
from harness.report.lesser_points import BEST_POINTS, Place
from harness.report.plots.plot import Plot
from harness.report.plots.points import points_figure
from harness.report.plots.sample_panel import SamplePanel
from harness.report.plots.sheets import sheets_figure

FILE = "samples.png"


def samples_plot(collection: Collection, previews: BoardPreviews, left_out: Container[Place] = ()) -> Plot | None:
    """Return the plot; None when there are no previews, of real examples or of any row.

    left_out: the lesser points of grids, which have no panel.
    """
    real = previews.real
    rows = [row for row, _ in collection.rows if row.name in previews.rows and (row.base.name, row.method_name) not in left_out]
    best = BEST_POINTS if left_out else ""
    panels = [SamplePanel.from_row(row, previews.rows[row.name]) for row in rows]
    if real is None or not panels:
        return None
    if real.sheet:
        panels = [SamplePanel("real", "held-out images", real), *(panel for panel in panels if panel.preview.sheet)]
        inputs = _inputs(real.text(), panels)
        has_models = any(panel.base for panel in panels[1:])
        rest = f"generated ones{_drawn_with(rows)}, one panel a base and method" if has_models else "those of each row"
        return Plot(FILE, f"Real images, and {rest}{best}", inputs, lambda: sheets_figure(panels))
    caption = f"Generated points (blue){_drawn_with(rows)} over real points (grey), one panel a base and method{best}"
    return Plot(FILE, caption, _inputs(real.text(), panels), lambda: points_figure(real.points, panels))


def _drawn_with(rows: Sequence[Row]) -> str:
    """Return which sampler drew, on a board with several."""
    labels = dict.fromkeys(row.sampled_with.label for row in rows if row.sampled_with is not None)
    return f" drawn by {' or '.join(labels)}" if labels else ""


def _inputs(real: str, panels: list[SamplePanel]) -> str:
    return "\n".join([real, *(f"{panel.base}\n{panel.method}\n{panel.preview.text()}" for panel in panels)])
