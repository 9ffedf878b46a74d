"""The critical-difference diagram of methods that are ranked over bases and boards (Demšar 2006)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import UserError
from harness.report.method_ranks import RankedMethods
from harness.report.plots.plot import COLOURS, WIDTH, Plot, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CAPTION = "Mean ranks of methods, the best on the left; a bar joins methods that are not told apart"


def critical_difference_plot(ranked: RankedMethods) -> Plot:
    """Return the diagram. Drawing it raises UserError where scikit-posthocs is absent."""
    inputs = f"{ranked.methods} {ranked.ranks.means.tolist()} {ranked.ranks.p} {ranked.ranks.critical_difference}"
    return Plot("critical_difference.png", CAPTION, inputs, lambda: _draw(ranked))


def _draw(ranked: RankedMethods) -> Figure:
    import pandas as pd
    from matplotlib.figure import Figure

    try:
        from scikit_posthocs import critical_difference_diagram
    except ImportError as error:
        raise UserError(f"the diagram needs scikit-posthocs ({error}): pip install 'finetune-harness[compare]'") from None

    labels, ranks = [plain(label) for label in ranked.methods], ranked.ranks
    places = range(len(labels))
    # The library joins methods whose p is above its level. Which these are, our own test has said.
    alike = [[0.0 if ranks.told_apart(first, second) else 1.0 for second in places] for first in places]
    figure = Figure(figsize=(WIDTH, 1.0 + 0.3 * len(labels)), layout="constrained")
    axis = figure.add_subplot()
    critical_difference_diagram(
        dict(zip(labels, ranks.means, strict=True)),
        pd.DataFrame(alike, index=labels, columns=labels),
        ax=axis,
        label_fmt_left="{label} ({rank:.2f})",
        label_fmt_right="({rank:.2f}) {label}",
        color_palette=[COLOURS[place % len(COLOURS)] for place in places],
    )
    axis.set_title(f"mean rank over {len(ranked.blocks)} bases; critical difference {ranks.critical_difference:.2f}")
    return figure
