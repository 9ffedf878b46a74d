"""The plot of what trainings log against images seen: mean over seeds with a band, one panel for each method and scalar."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Container, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from harness.errors import UserError
from harness.report.collect import Collection
from harness.report.lesser_points import BEST_POINTS, Place
from harness.report.logs import Lines, TrainingLogs
from harness.report.phrases import listed
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
TITLE_LETTERS = 40
LEGEND_COLUMNS, LEGEND_LETTERS = 4, 130
"""Columns of the legend at most, and letters that a line of it has room for; each entry takes eight more than its label."""
ROUND = "round/"
"""The beginning of the names of a round's numbers and settings in a log."""
CURVE = "curve"
"""The name of the curve's values in a log; the plot of curves shows them."""


def training_log_plot(collection: Collection, logs: TrainingLogs, lesser: Container[Place] = ()) -> Plot | None:
    """Return the plot; None where no training of the board has a log.

    Args:
        lesser: the lesser points of grids, which have no lines.
    Raises: UserError where there are logs, and no line can be drawn.
    """
    panels, apart = _panels(collection, logs, lesser)
    if not panels and apart:
        raise UserError(f"no step was logged by all seeds: {listed(apart)}")
    if not panels:
        return None
    shown = tuple(panels[:MOST_PANELS])
    left_out = f"; {len(panels) - len(shown)} more are in the logs" if len(panels) > len(shown) else ""
    not_drawn = f"; not drawn, since no step was logged by all seeds: {listed(apart)}" if apart else ""
    best = BEST_POINTS if lesser else ""
    caption = f"What the trainings log: mean over seeds, band of one standard deviation{best}{left_out}{not_drawn}"
    return Plot("training-log.png", caption, json.dumps([asdict(panel) for panel in shown]), lambda: _draw(shown))


@dataclass(frozen=True)
class _Trainings:
    """The trainings that share a line of a panel: those of all done seeds of a row, or one step of a base's pretraining.

    Args:
        panel, label, style: of the line.
        logs: the lines of each seed; no lines for a seed without a log.
    """

    panel: str
    label: str
    style: int
    logs: Sequence[Lines]

    @property
    def scalars(self) -> list[str]:
        """The names of what the seeds logged, in the order of the logs. What begins a round is no scalar along training."""
        names = dict.fromkeys(name for lines in self.logs for line in lines for name in line.values)
        return [name for name in names if name != CURVE and not name.startswith(ROUND)]

    def line(self, scalar: str) -> Line | None:
        """Return the line of a scalar, at the images at which all seeds with a log of it logged it; None without such images.

        The label says where seeds are not part of the mean, and where more than half of the steps are not drawn.
        """
        by_seed = [{line.images: line.values[scalar] for line in lines if scalar in line.values} for lines in self.logs]
        logged = [values for values in by_seed if values]
        images = sorted(set.intersection(*map(set, logged)))
        if not images:
            return None
        scores = [score_of([values[at] for values in logged]) for at in images]
        means, sds = tuple(score.mean for score in scores), tuple(score.sd or 0.0 for score in scores)
        most = max(map(len, logged))
        remarks = [f"{len(logged)} of {len(by_seed)} seeds"] if len(logged) < len(by_seed) else []
        remarks += [f"{len(images):,} of {most:,} logged steps"] if 2 * len(images) < most else []
        label = f"{self.label} ({', '.join(remarks)})" if remarks else self.label
        return Line(label, self.style, tuple(images), means, sds)


def _panels(collection: Collection, logs: TrainingLogs, lesser: Container[Place]) -> tuple[list[Panel], list[str]]:
    """Return the panels, and the names of lines that cannot be drawn, since the seeds share no logged step."""
    panels: dict[str, list[Line]] = {}
    apart: list[str] = []
    for trainings in (*_of_bases(collection, logs), *_of_rows(collection, logs, lesser)):
        for scalar in trainings.scalars:
            title = f"{trainings.panel}: {scalar}"
            line = trainings.line(scalar)
            if line is None:
                apart.append(f"{trainings.label}, {title}")
            else:
                panels.setdefault(title, []).append(line)
    return [Panel(title, tuple(lines)) for title, lines in panels.items()], apart


def _of_bases(collection: Collection, logs: TrainingLogs) -> Iterator[_Trainings]:
    seen: set[tuple[str, ...]] = set()
    for style, bases in enumerate(collection.board.bases_by_name.values()):
        if (keys := tuple(base.key for base in bases)) in seen:
            continue  # the same weights, with another sampler
        seen.add(keys)
        of_seeds = [steps for base in bases if (steps := logs.bases.get(base.full_name, ()))]
        for number, step_of_seeds in enumerate(zip(*of_seeds, strict=True), 1):
            panel = "pretraining" if len(of_seeds[0]) == 1 else f"pretraining, step {number}"
            yield _Trainings(panel, bases[0].label, style, step_of_seeds)


def _of_rows(collection: Collection, logs: TrainingLogs, lesser: Container[Place]) -> Iterator[_Trainings]:
    style_of = {name: index for index, name in enumerate(collection.board.bases_by_name)}
    for row, cells in collection.trainings:
        if (row.base.name, row.method_name) in lesser:
            continue
        of_seeds = [logs.cells.get(cell.name, ()) for cell in cells if _is_done(collection, cell.name)]
        size = "" if row.size is None else f" (n = {row.size:,})"
        yield _Trainings(row.method_label, row.base.label + size, style_of[row.base.name], of_seeds)


def _is_done(collection: Collection, cell: str) -> bool:
    return cell in collection.records and collection.records[cell].status == "done"


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
    ncols = max(1, min(LEGEND_COLUMNS, LEGEND_LETTERS // (max(map(len, labels)) + 8)))
    figure.legend(handles, labels, loc="outside upper left", ncols=ncols, frameon=False)
    return figure


def _draw_panel(axis: Axes, panel: Panel) -> None:
    for line in panel.lines:
        style = look(line.style)
        if len(line.images) > 1:
            style["marker"] = ""
        draw_line(axis, line, style, linewidth=1.2)
    axis.set_title(textwrap.fill(plain(panel.title), TITLE_LETTERS))
    axis.grid(axis="y", color="#EEEEEE", linewidth=0.6)
    axis.set_axisbelow(True)
