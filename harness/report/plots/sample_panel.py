"""One panel of samples: what it shows, and its heading."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.report.plots.plot import WIDTH, plain
from harness.report.preview import Preview

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from harness.board.cells import Row

LETTERS_AN_INCH = 13
"""Letters of a title that have room in an inch."""


@dataclass(frozen=True)
class SamplePanel:
    """The samples of one base × method, or of data.

    Args:
        base: empty for data.
        method: the label of the data, for data.
    """

    base: str
    method: str
    preview: Preview

    @classmethod
    def from_row(cls, row: Row, preview: Preview) -> SamplePanel:
        """Make the panel of a row. A row of data has no method, so the base's label is the heading."""
        if row.base.has_network:
            return cls(row.base.label, row.method_label, preview)
        return cls("", row.base.label, preview)

    def title(self, columns: int) -> str:
        """Return the heading in lines that fit a panel of a figure that has so many in a line; else it would be cut."""
        return textwrap.fill(plain(self.method), int(WIDTH / columns * LETTERS_AN_INCH))


def write_below_title(axis: Axes, text: str) -> None:
    """Write a line in small grey letters between an axis and its title."""
    axis.text(0.5, 1.02, plain(text), transform=axis.transAxes, ha="center", va="bottom", fontsize=7.5, color="#555555")
