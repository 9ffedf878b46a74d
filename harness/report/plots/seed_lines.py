"""Lines over the images that a training has seen, each a mean over seeds with a band of one standard deviation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.report.plots.lines import Look
from harness.report.plots.plot import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes


# The names of all fields are part of a plot's digest: with another name every committed plot would be stale.


@dataclass(frozen=True)
class Line:
    """One method or base: images seen, and the mean and the standard deviation over seeds at each, in the unit of the axis."""

    label: str
    style: int
    images: tuple[int, ...]
    means: tuple[float, ...]
    sds: tuple[float, ...]


@dataclass(frozen=True)
class Panel:
    """The lines that share a pair of axes."""

    title: str
    lines: tuple[Line, ...]


def band(means: Sequence[float], sds: Sequence[float], *, least_share: float | None = None) -> tuple[list[float], list[float]]:
    """Return the lower and the upper end of a band of one standard deviation.

    Args:
        least_share: share of the mean, above 0, at which the band ends below, for axes that may be logarithmic; None for no end.
    """
    pairs = list(zip(means, sds, strict=True))
    lower = [mean - sd if least_share is None else max(mean - sd, mean * least_share) for mean, sd in pairs]
    return lower, [mean + sd for mean, sd in pairs]


def draw_line(axis: Axes, line: Line, style: Look, *, least_share: float | None = None, linewidth: float) -> None:
    """Draw a line and its band.

    Args:
        least_share: share of the mean, above 0, at which the band ends below, for axes that may be logarithmic; None for no end.
        linewidth: in points.
    """
    lower, upper = band(line.means, line.sds, least_share=least_share)
    axis.fill_between(line.images, lower, upper, color=style["color"], alpha=0.15, linewidth=0)
    axis.plot(line.images, line.means, markersize=4, linewidth=linewidth, label=plain(line.label), **style)
