"""The style of figures in plain text: terminals, and the labels of plots."""

from __future__ import annotations

from harness.report.display import Style
from harness.report.number_text import factor

PLAIN = Style(
    bold=lambda text: text,
    plus_minus=" ± ",
    floor_mark=" †",
    beyond_mark=" ‡",
    none="-",
    down="↓",
    up="↑",
    escape=lambda text: text,
    signed=lambda number: number,
    factor=factor,
)
