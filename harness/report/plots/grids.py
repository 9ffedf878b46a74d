"""The plot of grids: a column over the parameters of a method, as curves over one parameter or heat maps over two."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import TYPE_CHECKING

from harness.board.columns import Column
from harness.board.grids import MethodGrid, point_name, split_point
from harness.report.common_seeds import mean_at, own_places
from harness.report.display import column_head
from harness.report.plots.panels import LOG_RATIO, grid_shape, panel_axes
from harness.report.plots.plot import COLOURS, WIDTH, Plot, plain
from harness.report.rows import TableRow
from harness.report.table import Table
from harness.report.terminal_style import PLAIN

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 2
CROWDED = 34
"""Characters that stand side by side below a panel of half the page's width."""


# The names of all fields below are part of a plot's digest: with another name every committed plot would be stale.


@dataclass(frozen=True)
class GridPanel:
    """One base and one grid, at one value of each parameter beyond two.

    Args:
        x_name, x: the parameter that runs from left to right, and its values as texts.
        y_name, y: the same from bottom to top; "" and one empty text for a grid of one parameter.
        means, sds: by y, then x, in the unit of the board's column; None where nothing is done. sds are 0 for one seed.
        untrained: the mean of the row of the base that does not train, over the seeds of the points; None where there is none,
            and where it lacks one of these seeds.
    """

    title: str
    value_label: str
    higher_is_better: bool
    x_name: str
    x: tuple[str, ...]
    y_name: str
    y: tuple[str, ...]
    means: tuple[tuple[float | None, ...], ...]
    sds: tuple[tuple[float, ...], ...]
    untrained: float | None


def grids_plot(table: Table) -> Plot | None:
    """Return the plot; None for a board without grids or columns that rank, and when no point of a grid is done."""
    if not (table.board.grids and table.ranking_columns):
        return None
    column = table.ranking_columns[0]
    panels = [panel for grid in table.board.grids for panel in _panels_of(grid, table, column)]
    if not panels:
        return None
    caption = (
        f"{column.label} over the settings of each grid: mean over seeds, bars of one standard deviation; dashed, or "
        "beside the colours: the base without training. The best point of many flatters itself"
    )
    if any(panel.y_name and any(None in line for line in panel.means) for panel in panels):
        caption += ". A field without a colour: the board has no such row, or no result of it"
    return Plot("grids.png", caption, json.dumps([asdict(panel) for panel in panels]), lambda: _draw(panels))


def _panels_of(grid: MethodGrid, table: Table, column: Column) -> Iterator[GridPanel]:
    """Yield a panel for each base, and for each value of the parameters beyond two. Of several blocks the first is shown."""
    rows = {(row.base, row.method): row for row in table.rows if row.block == (table.sizes[0], table.samplers[0])}
    *others, y_name, x_name = ["", *grid.values] if len(grid.values) == 1 else grid.values
    for base in dict.fromkeys(base for base, method in rows if method in grid.methods):
        for fixed in product(*(grid.values[name] for name in others)):
            panel = _panel(grid, base, dict(zip(others, fixed, strict=True)), (x_name, y_name), rows, column)
            if any(mean is not None for line in panel.means for mean in line):
                yield panel


def _panel(
    grid: MethodGrid,
    base: str,
    fixed: Mapping[str, str],
    axes: tuple[str, str],
    rows: Mapping[tuple[str, str], TableRow],
    column: Column,
) -> GridPanel:
    x_name, y_name = axes
    x, y = grid.values[x_name], grid.values[y_name] if y_name else ("",)
    at = [[rows.get((base, _method(grid, {**fixed, y_name: below, x_name: left}))) for left in x] for below in y]
    scores = [[None if row is None else row.score(column) for row in line] for line in at]
    unit = column.shown_in
    base_label = next(row.base_label for (name, _), row in rows.items() if name == base)
    points = [row for line in at for row in line if row is not None]
    of_base = next((row for (name, _), row in rows.items() if name == base and not row.trains), None)
    untrained = mean_at(of_base, column, own_places(points, column)) if of_base and points else None
    return GridPanel(
        title=", ".join([base_label, grid.label, *(f"{name} {value}" for name, value in fixed.items())]),
        value_label=column_head(column, "mean", PLAIN),
        higher_is_better=column.higher_is_better,
        x_name=x_name,
        x=x,
        y_name=y_name,
        y=y,
        means=tuple(tuple(None if score is None else score.mean / unit for score in line) for line in scores),
        sds=tuple(tuple(0.0 if score is None else (score.sd or 0.0) / unit for score in line) for line in scores),
        untrained=None if untrained is None else untrained / unit,
    )


def _method(grid: MethodGrid, point: Mapping[str, str]) -> str:
    """Return the name of the method at a point, whose parameters may be in any order."""
    return point_name(grid.name, {name: point[name] for name in split_point(grid.methods[0])[1]})


def _draw(panels: Sequence[GridPanel]) -> Figure:
    from matplotlib.figure import Figure

    lines, columns = grid_shape(len(panels), COLUMNS)
    figure = Figure(figsize=(WIDTH if columns > 1 else 0.6 * WIDTH, 3.2 * lines), layout="constrained")
    for axis, panel in zip(panel_axes(figure, len(panels), (lines, columns)), panels, strict=True):
        if panel.y_name:
            _draw_map(figure, axis, panel)
        else:
            _draw_curve(axis, panel)
        axis.set_title(plain(panel.title))
    return figure


def _draw_curve(axis: Axes, panel: GridPanel) -> None:
    places = [place for place, mean in enumerate(panel.means[0]) if mean is not None]
    x, is_log = _numbers(panel.x)
    means = [mean for mean in panel.means[0] if mean is not None]
    axis.errorbar(
        [x[place] for place in places], means, yerr=[panel.sds[0][place] for place in places],
        color=COLOURS[0], marker="o", markersize=4, capsize=2,
    )  # fmt: skip
    if panel.untrained is not None:
        axis.axhline(panel.untrained, color="#7F7F7F", linestyle="--", linewidth=1)
    if is_log:
        axis.set_xscale("log")
    _label_x(axis, x, panel.x)
    axis.minorticks_off()
    axis.set(xlabel=plain(panel.x_name), ylabel=plain(panel.value_label))
    axis.grid(color="#EEEEEE", linewidth=0.6)


def _label_x(axis: Axes, x: Sequence[float], texts: Sequence[str]) -> None:
    """Write the values under a panel: aslant where they would run into each other."""
    if sum(map(len, texts)) > CROWDED:
        axis.set_xticks(x, texts, rotation=35, ha="right", rotation_mode="anchor")
    else:
        axis.set_xticks(x, texts)


def _numbers(texts: Sequence[str]) -> tuple[list[float], bool]:
    """Return where values stand on an axis, and whether the axis is logarithmic; words stand side by side."""
    try:
        numbers = [float(text) for text in texts]
    except ValueError:
        return [float(place) for place in range(len(texts))], False
    return numbers, min(numbers) > 0 and max(numbers) / min(numbers) > LOG_RATIO


def _draw_map(figure: Figure, axis: Axes, panel: GridPanel) -> None:
    import numpy as np

    values = np.array([[np.nan if mean is None else mean for mean in line] for line in panel.means])
    colours = "cividis" if panel.higher_is_better else "cividis_r"
    image = axis.imshow(values, origin="lower", aspect="auto", cmap=colours)
    middle = (np.nanmin(values) + np.nanmax(values)) / 2
    for (line, place), value in np.ndenumerate(values):
        if not np.isnan(value):
            is_bright = (value > middle) == panel.higher_is_better
            axis.text(place, line, f"{value:.3g}", ha="center", va="center", fontsize=8, color="black" if is_bright else "white")
    _label_x(axis, range(len(panel.x)), panel.x)
    axis.set_yticks(range(len(panel.y)), panel.y)
    axis.set(xlabel=plain(panel.x_name), ylabel=plain(panel.y_name))
    label = panel.value_label if panel.untrained is None else f"{panel.value_label}; base {panel.untrained:.3g}"
    figure.colorbar(image, ax=axis, label=plain(label))
