"""Write the table as markdown, LaTeX, CSV or JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence

from harness.report.difference_tables import DifferenceTable, difference_tables
from harness.report.display import Style, column_head, display
from harness.report.markup import latex_text, markdown_text
from harness.report.number_text import factor, power_of_ten
from harness.report.table import Table


def markdown(table: Table) -> str:
    """Return a pipe table, as GitHub shows it."""
    from tabulate import tabulate

    shown = display(table, MARKDOWN)
    align = [*["left"] * shown.texts, *["right"] * (len(shown.heads) - shown.texts - 1), "left"]
    return tabulate(shown.rows, headers=shown.heads, tablefmt="pipe", colalign=align, disable_numparse=True) + "\n"


def latex(table: Table) -> str:
    """Return booktabs tables: the board's table, and the differences in each column that ranks.

    The first line is a comment that names the package which they need.
    """
    parts = [_latex_table(table), *(_latex_differences(each) for each in difference_tables(table, _LATEX))]
    return "\n".join(["% needs \\usepackage{booktabs}", *parts])


def _latex_table(table: Table) -> str:
    shown = display(table, _LATEX)
    columns = "l" * shown.texts + "r" * (len(shown.heads) - shown.texts - 1) + "l"
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", " & ".join(shown.heads) + r" \\"]
    for index, block in enumerate(shown.blocks):
        rows = [_latex_row(row) for row in block]
        if index in shown.with_floor:
            lines += [r"\midrule", rows.pop(0)]  # the floor stands apart: it is no competitor
        lines += [r"\midrule", *rows]
    lines += [r"\bottomrule", r"\end{tabular}"]
    return "\n".join(lines) + "\n"


def _latex_differences(differences: DifferenceTable) -> str:
    columns = "l" * differences.texts + "r" * (len(differences.heads) - differences.texts)
    head = column_head(differences.column, "mean", _LATEX)
    lines = [
        f"% differences of {differences.column.name}: mean and 95 percent interval, and p of each comparison by itself",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        rf"\multicolumn{{{len(columns)}}}{{l}}{{{head}}} \\",
        " & ".join(differences.heads) + r" \\",
        r"\midrule",
        *(_latex_row(row) for row in differences.rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def _latex_row(cells: Sequence[str]) -> str:
    row = " & ".join(cells) + r" \\"
    return f"{{}}{row}" if row.startswith("[") else row  # after the end of a row LaTeX would read [ as an option


def csv(table: Table) -> str:
    """Return the numbers, unrounded, in their own units; the floors, one for each number of samples, are the first rows.

    A label that a spreadsheet would take for a formula has an apostrophe before it.
    """
    frame = table.frame()
    frame["label"] = frame["label"].map(_no_formula)
    return str(frame.to_csv(index=False, lineterminator="\n"))


def _no_formula(label: str) -> str:
    return f"'{label}" if label.startswith(("=", "+", "-", "@", "\t", "\r")) else label


def as_json(table: Table) -> str:
    """Return the numbers and the direction of each metric as one object."""
    # Not by pandas' to_json: it cuts numbers at 15 decimals at most, of which small numbers have few digits.
    rows = [{name: _json_value(value) for name, value in row.items()} for row in table.frame().to_dict("records")]
    floors = len(table.sizes)
    content = {
        "board": table.board.name,
        "protocol": table.board.config.protocol,
        "metrics": {column.name: _direction(column.higher_is_better) for column in table.board.columns},
        **({"floor": rows[0]} if floors == 1 else {"floors": rows[:floors]}),
        "rows": rows[floors:],
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _json_value(value: object) -> object:
    """Return a value of the table; None for a number that is missing or not finite, which JSON cannot hold."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _direction(higher_is_better: bool) -> str:
    return "higher is better" if higher_is_better else "lower is better"


def _latex_factor(number: float) -> str:
    exponent = power_of_ten(number)
    return rf"$\times {number:g}$" if exponent is None else rf"$\times 10^{{{exponent}}}$"


MARKDOWN = Style(
    bold=lambda text: f"**{text}**",
    plus_minus=" ± ",
    floor_mark=" †",
    beyond_mark=" ‡",
    none="–",
    down="↓",
    up="↑",
    escape=markdown_text,
    signed=lambda number: number.replace("-", "−"),
    factor=factor,
)
_LATEX = Style(
    bold=lambda text: rf"\textbf{{{text}}}",
    plus_minus=r" $\pm$ ",
    floor_mark=r"$^\dagger$",
    beyond_mark=r"$^\ddagger$",
    none="--",
    down=r"$\downarrow$",
    up=r"$\uparrow$",
    escape=latex_text,
    signed=lambda number: f"${number}$" if number.startswith("-") else number,
    factor=_latex_factor,
)

FORMATS: Mapping[str, Callable[[Table], str]] = {"markdown": markdown, "latex": latex, "csv": csv, "json": as_json}
