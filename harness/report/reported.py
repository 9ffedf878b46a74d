"""What papers report: `reported.csv` of a board, shown apart and never mixed with what was measured."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from harness.errors import Faults, UserError
from harness.report.formats import markdown_text

COLUMNS = ("board", "type", "model", "method", "params_m", "nfe", "guidance", "metric", "value", "source", "note")


@dataclass(frozen=True)
class Reported:
    """One row of a paper; all text, as it was copied.

    Args:
        source: where the number stands. A row without one is refused.
    """

    model: str
    method: str
    nfe: str
    metric: str
    value: str
    source: str
    note: str


def read_reported(path: Path) -> list[Reported]:
    """The rows of a file; none when it does not exist. Raises: UserError or Faults, each with file and line."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    reader = csv.DictReader(text.splitlines())
    if missing := [name for name in COLUMNS if name not in (reader.fieldnames or ())]:
        raise UserError(f"{path}:1: columns are missing: {', '.join(missing)}; expected: {','.join(COLUMNS)}")
    faults: list[str] = []
    rows: list[Reported] = []
    for row in reader:
        where = f"{path}:{reader.line_num}"
        faults += [f"{where}: {problem}" for problem in _problems(row)]
        rows.append(Reported(*(row[name] or "" for name in ("model", "method", "nfe", "metric", "value", "source", "note"))))
    if faults:
        raise Faults(faults)
    return rows


def _problems(row: dict[str, str]) -> list[str]:
    if None in row or None in row.values():
        return [f"need {len(COLUMNS)} columns"]
    problems = [] if row["source"].strip() else ["a reported number needs its source"]
    try:
        float(row["value"])
    except ValueError:
        problems.append(f"value {row['value']!r} is not a number")
    return problems


def reported_markdown(rows: list[Reported]) -> str:
    """A table with its sources, and the notes under it; equal notes are written once."""
    from tabulate import tabulate

    notes: list[str] = []
    lines: list[list[str]] = []
    for row in rows:
        mark = ""
        if row.note:
            if row.note not in notes:
                notes.append(row.note)
            mark = f" [{notes.index(row.note) + 1}]"
        text = [markdown_text(value) for value in (row.model, row.method, row.nfe or "–", row.metric, row.value)]
        lines.append([text[0], text[1], text[2], text[3], f"*{text[4]}*{mark}", _linked(row.source)])
    headers = ["Model", "Method", "NFE", "Metric", "*reported*", "Source"]
    align = ["left", "left", "right", "left", "right", "left"]
    table = tabulate(lines, headers=headers, tablefmt="pipe", colalign=align, disable_numparse=True)
    listed = "".join(f"\n[{number}] {note}  " for number, note in enumerate(notes, 1))
    return f"{table}\n{listed and chr(10) + listed.rstrip() + chr(10)}"


def _linked(source: str) -> str:
    text = markdown_text(source)
    return re.sub(r"arXiv:(\d{4}\.\d{4,5})", r"[arXiv:\1](https://arxiv.org/abs/\1)", text)
