"""The look of the lines of a plot: colours, markers and dashes that readers can tell apart."""

from __future__ import annotations

from typing import TypedDict

from harness.report.plots.plot import COLOURS

MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES: tuple[str | tuple[int, tuple[int, ...]], ...] = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)))


class Look(TypedDict):
    """Keywords of matplotlib for one line."""

    color: str
    marker: str
    linestyle: str | tuple[int, tuple[int, ...]]


def look(index: int) -> Look:
    """Return the look of the line with this index; no two of the first 42 lines look alike."""
    return {
        "color": COLOURS[index % len(COLOURS)],
        # Shifted by one with each round of colours, so that the eighth line differs from the first.
        "marker": MARKERS[(index + index // len(COLOURS)) % len(MARKERS)],
        "linestyle": DASHES[index % len(DASHES)],
    }
