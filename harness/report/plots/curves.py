"""The curve's metric against images seen, mean over seeds with a band, one panel a base."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from harness.board.cells import Cell
from harness.board.columns import Column
from harness.report.collect import Collection
from harness.report.formats import unit as factor
from harness.report.plots.plot import COLOURS, LINES, MARKERS, WIDTH, Plot
from harness.report.rows import Score, floor_scores, score

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 2


@dataclass(frozen=True)
class Line:
    """One method: images seen, and mean and standard deviation over seeds at each, in the unit of the table."""

    label: str
    style: int
    images: tuple[int, ...]
    means: tuple[float, ...]
    sds: tuple[float, ...]


@dataclass(frozen=True)
class Panel:
    """One base."""

    title: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Curves:
    """All that the plot shows."""

    label: str
    samples: int
    panels: tuple[Panel, ...]
    floor: Score | None
    floor_label: str


def curves_plot(collection: Collection) -> Plot | None:
    """None for a board without a curve, or when no cell that trains is done."""
    curve = collection.board.config.curve
    metric = next((m for m in collection.board.columns if curve is not None and m.name == curve.metric), None)
    if curve is None or metric is None:
        return None
    panels = _panels(collection, metric)
    if not panels:
        return None
    curves = _curves(collection, metric, panels)
    caption = (
        f"{metric.label} along fine-tuning, at {curves.samples:,} samples and on seeds apart from the evaluation's: "
        "mean over seeds, band of one standard deviation"
    )
    return Plot("curves.png", caption, json.dumps(asdict(curves)), lambda: _draw(curves))


def _curves(collection: Collection, metric: Column, panels: list[Panel]) -> Curves:
    cell = collection.board.cells[0]
    assert cell.curve is not None
    unit = metric.shown_in
    floor = floor_scores(collection).get(metric.name)
    return Curves(
        label=metric.label if unit == 1 else f"{metric.label} ({factor(unit)})",
        samples=cell.curve.samples,
        panels=tuple(panels),
        floor=None if floor is None else Score(floor.mean / unit, (floor.sd or 0.0) / unit, floor.n),
        floor_label="floor (real against real)"
        + ("" if cell.curve.samples == cell.evaluation.samples else f" at {cell.evaluation.samples:,} samples"),
    )


def _panels(collection: Collection, metric: Column) -> list[Panel]:
    # By label: one method with other settings on another base is one entry of the legend.
    labels = dict.fromkeys(row.method_label for row, _ in collection.rows if row.trains)
    styles = {label: index for index, label in enumerate(labels)}
    panels: dict[str, tuple[str, list[Line]]] = {}
    for row, cells in collection.rows:
        line = _line(row.method_label, styles.get(row.method_label, 0), cells, collection, metric.shown_in)
        if row.trains and line is not None:
            panels.setdefault(row.base.name, (row.base.label, []))[1].append(line)
    return [Panel(label, tuple(lines)) for label, lines in panels.values()]


def _line(label: str, style: int, cells: Sequence[Cell], collection: Collection, unit: float) -> Line | None:
    found = [collection.records[cell.name] for cell in cells if cell.name in collection.records]
    curves = [record.curve for record in found if record.status == "done" and record.curve]
    if not curves:
        return None
    # All seeds of a row are measured at the same images: the board says where.
    points = tuple(images for images, _ in curves[0])
    scores = [score([value / unit for _, value in at]) for at in zip(*curves, strict=True)]
    return Line(label, style, points, tuple(s.mean for s in scores), tuple(s.sd or 0.0 for s in scores))


def _draw(curves: Curves) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter

    columns = min(COLUMNS, len(curves.panels))
    lines = -(-len(curves.panels) // columns)
    figure = Figure(figsize=(WIDTH, 3.6 * lines), layout="constrained")
    axes = figure.subplots(lines, columns, squeeze=False, sharey=True).ravel()
    for axis, panel in zip(axes, curves.panels, strict=False):
        _panel(axis, panel, curves)
        axis.xaxis.set_major_formatter(EngFormatter(sep=""))
    for axis in axes[len(curves.panels) :]:
        axis.set_axis_off()
    _log_scale_where_it_helps(axes[0], curves)
    handles, labels = _handles(list(axes[: len(curves.panels)]))
    figure.legend(handles, labels, loc="outside right upper", frameon=False)
    return figure


def _panel(axis: Axes, panel: Panel, curves: Curves) -> None:
    if curves.floor is not None:
        mean, sd = curves.floor.mean, curves.floor.sd or 0.0
        axis.axhspan(max(mean - sd, 0.0), mean + sd, color="black", alpha=0.08, linewidth=0)
        axis.axhline(mean, color="black", linestyle="--", linewidth=1, label=curves.floor_label)
    for line in panel.lines:
        colour = COLOURS[line.style % len(COLOURS)]
        lower = [max(mean - sd, mean / 10) for mean, sd in zip(line.means, line.sds, strict=True)]  # stays above 0
        upper = [mean + sd for mean, sd in zip(line.means, line.sds, strict=True)]
        axis.fill_between(line.images, lower, upper, color=colour, alpha=0.15, linewidth=0)
        marker = MARKERS[(line.style + line.style // len(COLOURS)) % len(MARKERS)]  # the eighth differs from the first
        axis.plot(
            line.images,
            line.means,
            color=colour,
            marker=marker,
            markersize=4,
            linestyle=LINES[line.style % len(LINES)],
            linewidth=1.4,
            label=line.label,
        )
    axis.set(title=panel.title, xlabel="images seen", ylabel=curves.label)
    axis.grid(axis="y", which="both", color="#EEEEEE", linewidth=0.6)
    axis.set_axisbelow(True)


def _log_scale_where_it_helps(axis: Axes, curves: Curves) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    means = [mean for panel in curves.panels for line in panel.lines for mean in line.means]
    means += [] if curves.floor is None else [curves.floor.mean]
    if min(means) > 0 and max(means) / min(means) > 5:
        axis.set_yscale("log")
        axis.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.yaxis.set_minor_formatter(NullFormatter())


def _handles(axes: Sequence[Axes]) -> tuple[list[Artist], list[str]]:
    """One entry a method over all panels; the floor last."""
    found: dict[str, Artist] = {}
    for axis in axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    labels = sorted(found, key=lambda label: label.startswith("floor ("))
    return [found[label] for label in labels], labels
