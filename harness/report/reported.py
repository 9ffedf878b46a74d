"""Numbers that papers report: a board's `reported.csv`, shown apart from what was measured and never mixed with it."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import Faults, UserError
from harness.report.markup import markdown_text
from harness.store.reading import read_text

COLUMNS = ("board", "type", "model", "method", "params_m", "nfe", "guidance", "metric", "value", "source", "note")
HEADS = ("Model", "Method", "NFE", "Metric", "*reported*", "Source")

LARGEST = 2**22
"""Bytes of the largest table that is read."""


@dataclass(frozen=True)
class Reported:
    """One number of a paper, all text, as it was copied.

    Args:
        source: where the number stands; a number without a source is refused.
    """

    model: str
    method: str
    nfe: str
    metric: str
    value: str
    source: str
    note: str


def read_reported(path: Path) -> list[Reported]:
    """Read the numbers in a file; none when the file does not exist. Raises: UserError or Faults, each with file and line."""
    try:
        text = read_text(path, largest=LARGEST)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    reader = csv.DictReader(text.splitlines())
    try:
        return list(_numbers(reader, path))
    except csv.Error as error:
        raise UserError(f"{path}:{reader.line_num + 1}: {error}; is a quote open?") from None


def _numbers(reader: csv.DictReader[str], path: Path) -> Iterator[Reported]:
    """Yield the numbers. Raises: UserError or Faults, each with file and line; csv.Error."""
    if missing := [name for name in COLUMNS if name not in (reader.fieldnames or ())]:
        raise UserError(f"{path}:1: columns are missing: {', '.join(missing)}; expected: {','.join(COLUMNS)}")
    faults: list[str] = []
    for row in reader:
        faults += [f"{path}:{reader.line_num}: {problem}" for problem in _problems(row)]
        yield Reported(*(row[name] or "" for name in ("model", "method", "nfe", "metric", "value", "source", "note")))
    if faults:
        raise Faults(faults)


def _problems(row: dict[str, str]) -> list[str]:
    if None in row or None in row.values():
        return [f"need {len(COLUMNS)} columns"]
    problems = [] if row["source"].strip() else ["a reported number needs its source"]
    try:
        float(row["value"])
    except ValueError:
        problems.append(f"value {row['value']!r} is not a number")
    return problems


def reported_markdown(numbers: Sequence[Reported]) -> str:
    """Return a table of the numbers with their sources, and their notes under it; equal notes are written once."""
    from tabulate import tabulate

    notes = list(dict.fromkeys(number.note for number in numbers if number.note))
    align = ["left", "left", "right", "left", "right", "left"]
    lines = [_line(number, notes) for number in numbers]
    table = tabulate(lines, headers=HEADS, tablefmt="pipe", colalign=align, disable_numparse=True)
    # Two spaces at the end of a line break it in markdown.
    footnotes = "  \n".join(f"[{index}] {with_links(note)}" for index, note in enumerate(notes, 1)).rstrip()
    return f"{table}\n" + (f"\n\n{footnotes}\n" if footnotes else "")


def _line(number: Reported, notes: list[str]) -> list[str]:
    model, method, nfe, metric, value = map(
        markdown_text, (number.model, number.method, number.nfe or "–", number.metric, number.value)
    )
    mark = f" [{notes.index(number.note) + 1}]" if number.note else ""
    return [model, method, nfe, metric, f"*{value}*{mark}", with_links(number.source)]


def with_links(source: str) -> str:
    """Return the source as markdown, each arXiv number a link."""
    return re.sub(r"arXiv:(\d{4}\.\d{4,5})", r"[arXiv:\1](https://arxiv.org/abs/\1)", markdown_text(source))
