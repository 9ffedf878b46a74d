"""A plot: its colours, a digest of all that it shows, and a PNG file that a second run reproduces."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.store.reading import read_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLE = 1
"""Raise it when plots look different: plots that were drawn before become stale."""

DIGEST_ENTRY = "harness-inputs"
"""The name under which a PNG's metadata hold the digest."""

# Okabe and Ito's colours, which people with any of the common colour blindnesses tell apart; black is for real data.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F")

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
        caption: what a reader sees in the plot; the alternative text too.
        inputs: all that the plot shows, as text.
        draw: makes the figure.
    """

    name: str
    caption: str
    inputs: str
    draw: Callable[[], Figure]

    @property
    def digest(self) -> str:
        """A hash of the inputs. It stands in the file, so that a stale plot is known without comparing pixels."""
        return hashlib.sha256(f"{STYLE}\n{self.inputs}".encode()).hexdigest()

    def png(self) -> bytes:
        """Return the file's bytes, the same every time: without dates and versions of libraries."""
        import matplotlib

        matplotlib.use("Agg")
        with matplotlib.rc_context(_SETTINGS):
            figure = self.draw()
            buffer = io.BytesIO()
            figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None, DIGEST_ENTRY: self.digest})
        return buffer.getvalue()


def plain(text: str) -> str:
    """Return text as matplotlib must get it, so that it reads no formula between dollar signs."""
    return text.replace("$", r"\$")


def drawn_from(path: Path) -> str | None:
    """Return the digest in a PNG file; None when there is no such file, or no digest in it."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of large images, of which only the head is read
            with Image.open(io.BytesIO(read_bytes(path)), formats=["PNG"]) as image:
                digest = image.info.get(DIGEST_ENTRY)
    except Exception:  # a damaged file can make Pillow raise anything
        return None
    return None if digest is None else str(digest)
