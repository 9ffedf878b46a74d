"""Divide a figure into panels, and give the panels their scales and one legend."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOG_RATIO = 5.0
"""Values that span more than this factor are drawn on a log scale."""


def grid_shape(panels: int, most_columns: int) -> tuple[int, int]:
    """Return the lines and columns of the smallest grid that holds the panels."""
    columns = min(most_columns, panels)
    return -(-panels // columns), columns


def panel_axes(
    figure: Figure, panels: int, shape: tuple[int, int], *, share_x: bool = False, share_y: bool = False
) -> list[Axes]:
    """Return an axis for each panel, line by line; the places that are left over in the grid stay white."""
    axes = list(figure.subplots(*shape, squeeze=False, sharex=share_x, sharey=share_y).ravel())
    for axis in axes[panels:]:
        axis.set_axis_off()
    return axes[:panels]


def lie_apart(panels: Sequence[Sequence[float]]) -> bool:
    """Return whether no two panels have values in common ranges, so that one scale for all would press each flat."""
    ranges = sorted((min(values), max(values)) for values in panels)
    return all(low > high for (_, high), (low, _) in pairwise(ranges))


def is_wide(values: Sequence[float]) -> bool:
    """Return whether values, at least one, are to be drawn on a log scale: all positive, and more than LOG_RATIO apart."""
    return min(values) > 0 and max(values) / min(values) > LOG_RATIO


def use_log_scale_if_wide(axis: Axes, values: Sequence[float]) -> None:
    """Draw the axis's y on a log scale where the values to show are positive and span more than LOG_RATIO."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    if is_wide(values):
        axis.set_yscale("log")
        axis.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.yaxis.set_minor_formatter(NullFormatter())


def legend_entries(axes: Sequence[Axes], *, last: str) -> tuple[list[Artist], list[str]]:
    """Return one handle for each label of all axes, and the labels; the label `last` comes last."""
    handle_of: dict[str, Artist] = {}
    for axis in axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            handle_of.setdefault(label, handle)
    labels = sorted(handle_of, key=lambda label: label == last)
    return [handle_of[label] for label in labels], labels
