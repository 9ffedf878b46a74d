"""Charts of one record's page: its curve, and what its training logged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.report.logs import Lines
from harness.report.plots.panels import is_wide
from harness.report.plots.training_log import CURVE, ROUND
from harness.site.charts import Chart, line
from harness.training.training_log import LogLine

HEADS = ("", "Images seen", "Value")


def record_charts(curve: Sequence[tuple[int, float]], metric: str, log: Lines) -> list[Chart]:
    """Return the charts of a training that is recorded.

    Args:
        curve: images seen and value of each point, in the metric's own unit.
        metric: of the curve.
        log: the lines of the training's log; none where it has no log.
    """
    charts = (
        [_chart("curve", f"{metric} along training", [(float(images), value) for images, value in curve], points=True)]
        if curve
        else []
    )
    return [*charts, *log_charts(log)]


def log_charts(log: Sequence[LogLine]) -> list[Chart]:
    """Return a chart for each scalar of a log; without those of rounds, and without the curve."""
    names = dict.fromkeys(name for entry in log for name in entry.values)
    shown = [name for name in names if name != CURVE and not name.startswith(ROUND)]
    return [
        _chart(
            f"log-{number}",
            name,
            [(float(entry.images), entry.values[name]) for entry in log if name in entry.values],
            points=False,
        )
        for number, name in enumerate(shown)
    ]


def log_charts_of(logs: Mapping[str, Sequence[LogLine]]) -> list[Chart]:
    """Return a chart for each scalar of several logs, the curve among them, with a line for each log by its name."""
    names = dict.fromkeys(name for lines in logs.values() for entry in lines for name in entry.values)
    charts = []
    for number, scalar in enumerate(name for name in names if not name.startswith(ROUND)):
        lines = []
        for style, (training, entries) in enumerate(logs.items()):
            pairs = [(float(entry.images), entry.values[scalar]) for entry in entries if scalar in entry.values]
            if pairs:
                x, values = [at for at, _ in pairs], [value for _, value in pairs]
                lines.append(line(training, style, x, values, [0.0] * len(x), log=False))
        charts.append(Chart(f"live-{number}", "lines", scalar, _data(lines, points=scalar == CURVE, is_log=False)))
    return charts


def _data(lines: list[dict[str, object]], *, points: bool, is_log: bool) -> dict[str, object]:
    return {"lines": lines, "log": is_log, "points": points, "x": "images seen", "y": "", "floor": None}


def _chart(name: str, title: str, pairs: Sequence[tuple[float, float]], *, points: bool) -> Chart:
    x, values = [at for at, _ in pairs], [value for _, value in pairs]
    is_log = name == "curve" and is_wide(values)
    made = line(title, 0, x, values, [0.0] * len(x), log=is_log)
    data = _data([made], points=points, is_log=is_log)
    rows = tuple((title, f"{at:,.0f}", f"{value:.6g}") for at, value in pairs) if name == "curve" else ()
    return Chart(name, "lines", title, data, HEADS if rows else (), rows)
