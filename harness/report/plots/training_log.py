"""The plot of what trainings log against images seen: mean over seeds with a band, one panel for each method and scalar."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from harness.report.collect import Collection
from harness.report.logs import Lines, TrainingLogs
from harness.report.plots.lines import look
from harness.report.plots.panels import grid_shape, legend_entries, panel_axes
from harness.report.plots.plot import WIDTH, Plot, plain
from harness.report.plots.seed_lines import Line, Panel, draw_line
from harness.report.scores import score_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 3
MOST_PANELS = 24
"""Panels that the plot has at most; methods that log dozens of scalars would make it unreadable."""
CURVE = "curve"
"""The name of the curve's values in a log; the plot of curves shows them."""


def training_log_plot(collection: Collection, logs: TrainingLogs) -> Plot | None:
    """Return the plot; None where no training of the board has a log."""
    panels = _panels(collection, logs)
    if not panels:
        return None
    shown = tuple(panels[:MOST_PANELS])
    left_out = f"; {len(panels) - len(shown)} more are in the logs" if len(panels) > len(shown) else ""
    caption = f"What the trainings log: mean over seeds, band of one standard deviation{left_out}"
    return Plot("training-log.png", caption, json.dumps([asdict(panel) for panel in shown]), lambda: _draw(shown))


def _panels(collection: Collection, logs: TrainingLogs) -> list[Panel]:
    style_of = {base.name: index for index, base in enumerate(collection.board.bases)}
    panels: dict[str, list[Line]] = {}
    for base in collection.board.bases:
        for number, step in enumerate(steps := logs.bases.get(base.name, ()), 1):
            which = "pretraining" if len(steps) == 1 else f"pretraining, step {number}"
            for scalar, curve in _curves(base.label, style_of[base.name], [step]):
                panels.setdefault(f"{which}: {scalar}", []).append(curve)
    for row, cells in collection.rows:
        done = {outcome_cell.name for outcome_cell in cells if _is_done(collection, outcome_cell.name)}
        of_seeds = [logs.cells[cell.name] for cell in cells if cell.name in done and cell.name in logs.cells]
        size = "" if row.size is None else f" (n = {row.size:,})"
        for scalar, curve in _curves(row.base.label + size, style_of[row.base.name], of_seeds):
            panels.setdefault(f"{row.method_label}: {scalar}", []).append(curve)
    return [Panel(title, tuple(lines)) for title, lines in panels.items()]


def _is_done(collection: Collection, cell: str) -> bool:
    return cell in collection.records and collection.records[cell].status == "done"


def _curves(label: str, style: int, of_seeds: Sequence[Lines]) -> Iterator[tuple[str, Line]]:
    """Yield each scalar with its curve, at the images at which all seeds logged it."""
    names = dict.fromkeys(name for lines in of_seeds for line in lines for name in line.values if name != CURVE)
    for name in names:
        by_seed = [{line.images: line.values[name] for line in lines if name in line.values} for lines in of_seeds]
        images = sorted(set.intersection(*map(set, by_seed)))
        if images:
            scores = [score_of([values[at] for values in by_seed]) for at in images]
            means, sds = tuple(score.mean for score in scores), tuple(score.sd or 0.0 for score in scores)
            yield name, Line(label, style, tuple(images), means, sds)


def _draw(panels: Sequence[Panel]) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter

    lines, columns = grid_shape(len(panels), COLUMNS)
    figure = Figure(figsize=(WIDTH, 2.4 * lines + 0.4), layout="constrained")
    axes = panel_axes(figure, len(panels), (lines, columns))
    for number, (axis, panel) in enumerate(zip(axes, panels, strict=True)):
        _draw_panel(axis, panel)
        axis.xaxis.set_major_formatter(EngFormatter(sep=""))
        if number + columns >= len(panels):
            axis.set_xlabel("images seen")
    handles, labels = legend_entries(axes, last="")
    figure.legend(handles, labels, loc="outside upper left", ncols=4, frameon=False)
    return figure


def _draw_panel(axis: Axes, panel: Panel) -> None:
    for line in panel.lines:
        style = look(line.style)
        if len(line.images) > 1:
            style["marker"] = ""
        draw_line(axis, line, style, linewidth=1.2)
    axis.set_title(plain(panel.title))
    axis.grid(axis="y", color="#EEEEEE", linewidth=0.6)
    axis.set_axisbelow(True)
