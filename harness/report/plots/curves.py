"""The plot of the curve's metric against images seen: mean over seeds with a band, one panel a base."""

from __future__ import annotations

import json
from collections.abc import Container
from dataclasses import asdict, dataclass
from itertools import chain
from typing import TYPE_CHECKING

from harness.board.cells import Cell, Row
from harness.board.columns import Column, column_label
from harness.board.schema import CurveConfig
from harness.report.best_points import best_at_each
from harness.report.collect import Collection
from harness.report.floors import floor_scores
from harness.report.lesser_points import BEST_POINTS, Place
from harness.report.number_text import factor
from harness.report.plots.lines import look
from harness.report.plots.panels import grid_shape, legend_entries, lie_apart, panel_axes, use_log_scale_if_wide
from harness.report.plots.plot import WIDTH, Plot, plain
from harness.report.plots.seed_lines import Line, Panel, draw_line
from harness.report.scores import Score, score_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 2


# The names of all fields are part of a plot's digest, here and in seed_lines.py: another name makes every plot stale.
@dataclass(frozen=True)
class Curves:
    """All that the plot shows.

    Args:
        floor: in the unit of the table; None when it is not measured, and when it is that of another measure than the curve:
            of another number of samples, or against other real examples.
    """

    label: str
    samples: int
    panels: tuple[Panel, ...]
    floor: Score | None
    floor_label: str


def curves_plot(collection: Collection, left_out: Container[Place] = ()) -> Plot | None:
    """Return the plot; None for a board without a curve, or when no cell that trains is done.

    left_out: the lesser points of grids, which have no line.
    """
    config = collection.board.cells[0].curve
    column = next((column for column in collection.board.columns if config is not None and column.name == config.metric), None)
    if config is None or column is None:
        return None
    curves = _curves(collection, config, column, left_out)
    if not curves.panels:
        return None
    best = BEST_POINTS if left_out else ""
    apart = "; panels have scales of their own" if len(curves.panels) > 1 and lie_apart(_means(curves)) else ""
    caption = (
        f"{_label(collection, config, column)} along fine-tuning, at {curves.samples:,} samples and on seeds apart from the "
        f"evaluation's: mean over seeds, band of one standard deviation{apart}{best}{_about_floor(collection, config, column)}"
    )
    return Plot("curves.png", caption, json.dumps(asdict(curves)), lambda: _draw(curves))


def _curves(collection: Collection, config: CurveConfig, column: Column, left_out: Container[Place]) -> Curves:
    unit = column.shown_in
    has_floor = config.samples == _evaluated(collection) and column.compares_like_curve
    floor = floor_scores(collection).get(column.name) if has_floor else None
    label = _label(collection, config, column)
    return Curves(
        label=label if unit == 1 else f"{label} ({factor(unit)})",
        samples=config.samples,
        panels=tuple(_panels(collection, column, left_out)),
        floor=None if floor is None else Score(floor.mean / unit, (floor.sd or 0.0) / unit, floor.n),
        floor_label="floor (real against real)",
    )


def _evaluated(collection: Collection) -> int:
    return collection.board.cells[0].evaluation.samples


def _label(collection: Collection, config: CurveConfig, column: Column) -> str:
    """Return the column's label, with the number of samples of the curve in the place of the evaluation's."""
    is_the_boards = column.label != column_label(column.name, _evaluated(collection))
    return column.label if is_the_boards else column_label(column.name, config.samples)


def _about_floor(collection: Collection, config: CurveConfig, column: Column) -> str:
    """Say why there is no floor: distances depend on the number of samples and on what they are to, so the table's would mislead.

    The label of the column may say what the column compares with, and the curve compares with something else.
    """
    evaluated = _evaluated(collection)
    if not column.compares_like_curve:
        return f"; against held-out examples, where the column is against {_other_side(column)}, so that there is no floor"
    if config.samples == evaluated or column.name not in floor_scores(collection):
        return ""
    return f"; the floor is left out, which is of {evaluated:,} samples"


def _other_side(column: Column) -> str:
    """Return what a column compares with that does not compare as the curve does."""
    if column.reference is not None:
        return f"the published statistics {column.reference.name}"
    return "the whole training set" if column.compares_with_all_training else "training examples"


def _panels(collection: Collection, column: Column, left_out: Container[Place]) -> list[Panel]:
    trainings = [
        (row, cells) for row, cells in collection.trainings if row.trains and (row.base.name, row.method_name) not in left_out
    ]
    # By label: one method with other settings on another base is one entry of the legend.
    labels = dict.fromkeys(row.method_label for row, _ in trainings)
    style_of = {label: index for index, label in enumerate(labels)}
    panels: dict[str, tuple[str, list[Line]]] = {}
    for row, cells in trainings:
        if (line := _line(row, style_of[row.method_label], cells, collection, column)) is not None:
            panels.setdefault(row.base.name, (row.base.label, []))[1].append(line)
    return [Panel(label, tuple(lines)) for label, lines in panels.values()]


def _line(row: Row, style: int, cells: list[Cell], collection: Collection, column: Column) -> Line | None:
    """Return the line of a row; None when no cell of it is done."""
    unit = column.shown_in
    found = [outcome.curve for outcome in collection.done(cells) if outcome.curve]
    curves = [best_at_each(curve, higher_is_better=column.higher_is_better) for curve in found]
    if not curves:
        return None
    # All seeds of a row are measured at the same images: the board says where.
    images = tuple(images for images, _ in curves[0])
    scores = [score_of([value / unit for _, value in points]) for points in zip(*curves, strict=True)]
    means, sds = tuple(score.mean for score in scores), tuple(score.sd or 0.0 for score in scores)
    return Line(row.method_label, style, images, means, sds)


def _draw(curves: Curves) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter

    lines, columns = grid_shape(len(curves.panels), COLUMNS)
    figure = Figure(figsize=(WIDTH, 3.6 * lines), layout="constrained")
    means, floor = _means(curves), [] if curves.floor is None else [curves.floor.mean]
    is_shared = not lie_apart(means)
    axes = panel_axes(figure, len(curves.panels), (lines, columns), share_y=is_shared)
    for axis, panel in zip(axes, curves.panels, strict=True):
        _draw_panel(axis, panel, curves)
        axis.xaxis.set_major_formatter(EngFormatter(sep=""))
    if is_shared:
        use_log_scale_if_wide(axes[0], [*chain.from_iterable(means), *floor])
    else:
        for axis, values in zip(axes, means, strict=True):
            use_log_scale_if_wide(axis, [*values, *floor])
    handles, labels = legend_entries(axes, last=curves.floor_label)
    figure.legend(handles, labels, loc="outside right upper", frameon=False)
    return figure


def _means(curves: Curves) -> list[list[float]]:
    """Return the values of each panel's lines."""
    return [[mean for line in panel.lines for mean in line.means] for panel in curves.panels]


def _draw_panel(axis: Axes, panel: Panel, curves: Curves) -> None:
    if curves.floor is not None:
        mean, sd = curves.floor.mean, curves.floor.sd or 0.0
        axis.axhspan(max(mean - sd, 0.0), mean + sd, color="black", alpha=0.08, linewidth=0)
        axis.axhline(mean, color="black", linestyle="--", linewidth=1, label=curves.floor_label)
    for line in panel.lines:
        draw_line(axis, line, look(line.style), least_share=0.1, linewidth=1.4)
    axis.set(title=plain(panel.title), xlabel="images seen", ylabel=plain(curves.label))
    axis.grid(axis="y", which="both", color="#EEEEEE", linewidth=0.6)
    axis.set_axisbelow(True)
