"""Charts of a board's page: what they show, from the functions that the plots of the page in Markdown are drawn from."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from harness.report.plots.panels import is_wide
from harness.report.plots.plot import Plot
from harness.report.plots.seed_lines import band

Kind = Literal["lines", "sweep", "pareto", "seeds", "points", "pairs", "map", "bars"]
DIGITS = 6
"""Significant digits of numbers in charts, which nobody reads more exactly from a picture."""
LEAST_SHARE = 0.1
"""Share of a mean at which a band ends below on axes that may be logarithmic, as in the plot of curves."""
MOST_TABLE_ROWS = 400


@dataclass(frozen=True)
class Chart:
    """One chart.

    Args:
        name: the last part of its id on the page.
        data: JSON values, which assets/charts.js draws.
        heads, rows: the same numbers as a table, for readers who see no picture; no rows where they stand elsewhere.
    """

    name: str
    kind: Kind
    title: str
    data: Mapping[str, object]
    heads: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class ChartGroup:
    """Charts under one heading, with the caption that the plot in Markdown has."""

    name: str
    heading: str
    caption: str
    charts: tuple[Chart, ...] = field(default_factory=tuple)


HEADINGS = {
    "curves.png": ("curves", "Curves along training"),
    "sizes.png": ("sizes", "Metrics against the number of samples"),
    "sweeps.png": ("sweeps", "Sweeps of a sampler's setting"),
    "grids.png": ("grids", "Grids of settings"),
    "training-log.png": ("logs", "Training logs"),
}
"""The plots that are shown as charts: the name and the heading of their section."""


def plot_charts(plots: Sequence[Plot]) -> list[ChartGroup]:
    """Return the charts of a board's plots of lines, from the inputs of those plots."""
    groups = []
    for plot in plots:
        if plot.name in HEADINGS:
            name, heading = HEADINGS[plot.name]
            groups.append(ChartGroup(name, heading, plot.caption, tuple(_charts(name, json.loads(plot.inputs)))))
    return groups


def _charts(name: str, shown: object) -> Iterator[Chart]:
    """Yield the charts of a section. shown: what the plot shows, as its digest is made of it."""
    if name == "curves":
        assert isinstance(shown, dict), "the plot of curves shows one object"
        yield from _curves(shown)
    elif name == "sizes":
        yield from _sizes(_mappings(shown))
    elif name == "sweeps":
        yield from _sweeps(_mappings(shown))
    elif name == "grids":
        yield from _grids(_mappings(shown))
    else:
        yield from _logs(_mappings(shown))


def short(value: float) -> float | None:
    """Return a number with DIGITS digits; None for one that is not finite, which JSON cannot hold."""
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None


def shorts(values: Sequence[float]) -> list[float | None]:
    """Return numbers as `short` does."""
    return [short(value) for value in values]


def line(
    label: str, style: int, x: Sequence[float], means: Sequence[float], sds: Sequence[float], *, log: bool
) -> dict[str, object]:
    """Return a line and its band as a chart of lines takes it."""
    low, high = band(means, sds, least_share=LEAST_SHARE if log else None)
    return {"label": label, "style": style, "x": shorts(x), "mean": shorts(means), "low": shorts(low), "high": shorts(high)}


def number_rows(lines: Sequence[Mapping[str, object]], x: str) -> tuple[tuple[str, ...], ...]:
    """Return the numbers of lines as rows of a table: label, x, mean, standard deviation."""
    rows: list[tuple[str, ...]] = []
    for each in lines:
        label, places, means, sds = str(each["label"]), *(_floats(each[name]) for name in (x, "means", "sds"))
        rows += [(label, f"{at:,.6g}", f"{mean:.4g}", f"{sd:.2g}") for at, mean, sd in zip(places, means, sds, strict=True)]
    return tuple(rows) if len(rows) <= MOST_TABLE_ROWS else ()


def _floats(values: object) -> list[float]:
    assert isinstance(values, list), "the inputs of plots hold lists"
    return [float(value) for value in values]


def _curves(shown: Mapping[str, object]) -> Iterator[Chart]:
    panels, floor = _mappings(shown["panels"]), shown["floor"]
    means = [mean for panel in panels for each in _mappings(panel["lines"]) for mean in _floats(each["means"])]
    scale = [*means, *([float(str(floor["mean"]))] if isinstance(floor, Mapping) else [])]
    floor_data = None
    if isinstance(floor, Mapping):
        mean, sd = float(str(floor["mean"])), float(str(floor["sd"] or 0.0))
        floor_data = {
            "label": shown["floor_label"],
            "mean": short(mean),
            "low": short(max(mean - sd, 0.0)),
            "high": short(mean + sd),
        }
    made = [_lines_data(_mappings(panel["lines"]), "images", is_log=is_wide(scale), points=True) for panel in panels]
    domain = _domain([*made, *([{"lines": [floor_data]}] if floor_data else [])])
    for number, (panel, data) in enumerate(zip(panels, made, strict=True)):
        lines = _mappings(panel["lines"])
        data |= {"x": "images seen", "y": shown["label"], "floor": floor_data, "domain": domain}
        heads = ("Method", "Images seen", "Mean", "SD")
        yield Chart(f"curve-{number}", "lines", str(panel["title"]), data, heads, number_rows(lines, "images"))


def _logs(panels: Sequence[Mapping[str, object]]) -> Iterator[Chart]:
    for number, panel in enumerate(panels):
        lines = _mappings(panel["lines"])
        data = _lines_data(lines, "images", is_log=False, points=False)
        data |= {"x": "images seen", "y": "", "floor": None}
        heads = ("Base", "Images seen", "Mean", "SD")
        yield Chart(f"log-{number}", "lines", str(panel["title"]), data, heads, number_rows(lines, "images"))


def _sizes(panels: Sequence[Mapping[str, object]]) -> Iterator[Chart]:
    for number, panel in enumerate(panels):
        lines, floor = _mappings(panel["lines"]), panel["floor"]
        all_lines = [*lines, *([floor] if isinstance(floor, Mapping) else [])]
        is_log = is_wide([mean for each in all_lines for mean in _floats(each["means"])])
        data = _lines_data(all_lines, "sizes", is_log=is_log, points=True)
        data |= {"x": "n", "y": panel["title"], "floor": None, "x_log": True}
        heads = ("Row", "n", "Mean", "SD")
        yield Chart(f"size-{number}", "lines", str(panel["title"]), data, heads, number_rows(all_lines, "sizes"))


def _sweeps(panels: Sequence[Mapping[str, object]]) -> Iterator[Chart]:
    for number, panel in enumerate(panels):
        names = ("values", "x", "x_sds", "y", "y_sds")
        lines = [
            {"label": each["label"], "look": each["look"], **{name: shorts(_floats(each[name])) for name in names}}
            for each in _mappings(panel["lines"])
        ]
        data = {"x": panel["x_label"], "y": panel["y_label"], "lines": lines}
        heads = ("Method", "Setting", str(panel["x_label"]), str(panel["y_label"]))
        rows = tuple(
            (str(each["label"]), f"{value:.12g}", f"{x:.4g}", f"{y:.4g}")
            for each in _mappings(panel["lines"])
            for value, x, y in zip(*(_floats(each[name]) for name in ("values", "x", "y")), strict=True)
        )
        yield Chart(f"sweep-{number}", "sweep", str(panel["title"]), data, heads, rows)


def _grids(panels: Sequence[Mapping[str, object]]) -> Iterator[Chart]:
    """Yield a chart for each panel of the plot of grids: a heat map over two settings, or the values of one."""
    for number, panel in enumerate(panels):
        names = {name: panel[name] for name in ("x_name", "y_name", "x", "y", "untrained")}
        cells = list(_grid_cells(panel))
        data = {**names, "label": panel["value_label"], "higher": panel["higher_is_better"], "cells": cells}
        shown = ["y", "x"] if panel["y_name"] else ["x"]
        heads = (*(str(panel[f"{name}_name"]) for name in shown), "Mean", "SD")
        rows = tuple((*(str(cell[name]) for name in shown), f"{cell['mean']:.4g}", f"{cell['sd']:.2g}") for cell in cells)
        yield Chart(f"grid-{number}", "map" if panel["y_name"] else "bars", str(panel["title"]), data, heads, rows)


def _grid_cells(panel: Mapping[str, object]) -> Iterator[dict[str, object]]:
    """Yield the points of a grid that have a value."""
    columns = [values for values in (panel["x"], panel["y"], panel["means"], panel["sds"]) if isinstance(values, list)]
    assert len(columns) == 4, "the inputs of plots hold lists"
    x, y, means, sds = columns
    for below, (line, line_sds) in zip(y, zip(means, sds, strict=True), strict=True):
        for left, mean, sd in zip(x, line, line_sds, strict=True):
            if mean is not None:
                yield {"x": left, "y": below, "mean": short(float(mean)), "sd": short(float(sd))}


def _domain(charts: Sequence[Mapping[str, object]]) -> list[float]:
    """Return the range of all bands, so that charts beside each other share one axis."""
    ends: list[float] = []
    for each in (each for chart in charts for each in _mappings(chart["lines"])):
        for values in (each["low"], each["high"]):
            ends += [value for value in (values if isinstance(values, list) else [values]) if isinstance(value, float)]
    return [min(ends), max(ends)]


def _lines_data(lines: Sequence[Mapping[str, object]], x: str, *, is_log: bool, points: bool) -> dict[str, object]:
    made = [
        line(str(each["label"]), int(str(each["style"])), *(_floats(each[name]) for name in (x, "means", "sds")), log=is_log)
        for each in lines
    ]
    return {"lines": made, "log": is_log, "points": points}


def _mappings(values: object) -> list[Mapping[str, object]]:
    assert isinstance(values, (list, tuple)), "the inputs of plots hold lists of objects"
    return [value for value in values if isinstance(value, Mapping)]
