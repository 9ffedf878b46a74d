"""What every plot has in common: a digest of what it shows, colours, and PNG files that a second run reproduces."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLE = 1
"""Raise it when plots look different: those drawn before become stale."""

ENTRY = "harness-inputs"

# Okabe and Ito's colours, which people with any of the common colour blindnesses tell apart; black is for real data.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES: tuple[str | tuple[int, tuple[int, ...]], ...] = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)))
WIDTH = 9.0
"""Inches: 900 pixels at DPI, the width of a README."""
DPI = 100

_SETTINGS: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "white",
    "path.simplify": False,
}


@dataclass(frozen=True)
class Plot:
    """A plot that can be drawn.

    Args:
        name: file name.
        caption: what a reader sees in it; the alternative text too.
        inputs: all that it shows, as text.
        draw: makes the figure.
    """

    name: str
    caption: str
    inputs: str
    draw: Callable[[], Figure]

    @property
    def digest(self) -> str:
        """Of the inputs; it stands in the file, so that a stale plot is known without comparing pixels."""
        return hashlib.sha256(f"{STYLE}\n{self.inputs}".encode()).hexdigest()

    def png(self) -> bytes:
        """The file's bytes, the same every time; no dates, no versions of libraries."""
        import matplotlib

        matplotlib.use("Agg")
        with matplotlib.rc_context(_SETTINGS):
            figure = self.draw()
            buffer = io.BytesIO()
            figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None, ENTRY: self.digest})
        return buffer.getvalue()


def drawn_from(path: Path) -> str | None:
    """The digest in a PNG file; None when there is no such file or no digest in it."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            found = image.info.get(ENTRY)
    except (FileNotFoundError, UnidentifiedImageError):
        return None
    return None if found is None else str(found)
