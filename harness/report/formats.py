"""Writers of the table: markdown, LaTeX, CSV, JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from harness.report.table import Style, Table, display, power_of_ten


def legend(table: Table) -> str:
    """What the marks in the table mean."""
    bold = "**Bold**: the best mean of a column among rows whose seeds are all done. " if table.has_models else ""
    least = ""
    if any(statistic == "minimum" for _, statistic in table.columns):
        least = " Minimum: of a cell's draws, and, in the row of the floor, of as many pairs; without marks."
    return (
        f"Mean ± standard deviation over seeds. {bold}"
        "†: not distinguishable from real data at this number of samples (within two standard deviations of the floor), or on "
        "the better side of it." + least
    )


def markdown(table: Table) -> str:
    """A pipe table, as GitHub shows it."""
    from tabulate import tabulate

    shown = display(table, _MARKDOWN)
    align = [*["left"] * shown.texts, *["right"] * (len(shown.heads) - shown.texts - 1), "left"]
    return tabulate(shown.rows, headers=shown.heads, tablefmt="pipe", colalign=align, disable_numparse=True) + "\n"


def latex(table: Table) -> str:
    """A booktabs table; needs `\\usepackage{booktabs}`."""
    shown = display(table, _LATEX)
    columns = "l" * shown.texts + "r" * (len(shown.heads) - shown.texts - 1) + "l"
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", " & ".join(shown.heads) + r" \\"]
    for block in shown.blocks:
        rows = [" & ".join(row) + r" \\" for row in block]
        lines += [r"\midrule", rows[0], r"\midrule", *rows[1:]]  # the floor stands apart: it is no competitor
    lines += [r"\bottomrule", r"\end{tabular}"]
    return "\n".join(lines) + "\n"


def csv(table: Table) -> str:
    """The numbers, unrounded, in their own units; the first row is the floor, one for each number of samples."""
    return str(table.frame().to_csv(index=False, lineterminator="\n"))


def as_json(table: Table) -> str:
    """The numbers with their directions, as one object."""
    rows = json.loads(table.frame().to_json(orient="records", double_precision=15))
    floors = len(table.sizes)
    content = {
        "board": table.board.name,
        "protocol": table.board.config.protocol,
        "metrics": {metric.name: _direction(metric.higher_is_better) for metric in table.board.columns},
        **({"floor": rows[0]} if floors == 1 else {"floors": rows[:floors]}),
        "rows": rows[floors:],
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _direction(higher_is_better: bool) -> str:
    return "higher is better" if higher_is_better else "lower is better"


def markdown_text(text: str) -> str:
    """Plain text inside a markdown table cell."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("*", "\\*").replace("_", "\\_").replace("\n", " ")


_LATEX_MARKUP = {
    **{letter: rf"\{letter}" for letter in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "×": r"$\times$",
    "±": r"$\pm$",
    "α": r"$\alpha$",
    "β": r"$\beta$",
}


def latex_text(text: str) -> str:
    """Plain text inside LaTeX."""
    return "".join(_LATEX_MARKUP.get(letter, letter) for letter in text)


def unit(number: float) -> str:
    """`×1e-2`, the factor that a column is shown in."""
    exponent = power_of_ten(number)
    return f"×{number:g}" if exponent is None else f"×1e{exponent}"


def _latex_unit(number: float) -> str:
    exponent = power_of_ten(number)
    return rf"$\times {number:g}$" if exponent is None else rf"$\times 10^{{{exponent}}}$"


_MARKDOWN = Style(
    bold=lambda text: f"**{text}**",
    plus_minus=" ± ",
    floor_mark=" †",
    none="–",
    down="↓",
    up="↑",
    text=markdown_text,
    unit=unit,
)
_LATEX = Style(
    bold=lambda text: rf"\textbf{{{text}}}",
    plus_minus=r" $\pm$ ",
    floor_mark=r"$^\dagger$",
    none="--",
    down=r"$\downarrow$",
    up=r"$\uparrow$",
    text=latex_text,
    unit=_latex_unit,
)

FORMATS: Mapping[str, Callable[[Table], str]] = {"markdown": markdown, "latex": latex, "csv": csv, "json": as_json}
