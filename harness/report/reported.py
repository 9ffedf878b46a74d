"""Numbers that papers report: a board's `reported.csv`, shown apart from what was measured and never mixed with it."""

from __future__ import annotations

import csv
import math
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
        board: name of the board that the number belongs to; empty where the table is of one board alone.
        source: where the number stands; a number without a source is refused.
    """

    model: str
    method: str
    nfe: str
    metric: str
    value: str
    source: str
    note: str
    board: str = ""


def of_board(numbers: Sequence[Reported], board: str) -> list[Reported]:
    """Return the numbers of a board, those that name none among them. Several boards may have copies of one file."""
    return [number for number in numbers if number.board in ("", board)]


def left_out(numbers: Sequence[Reported], board: str, path: Path) -> list[str]:
    """Return a line where a file has numbers of other boards than this one, which its page leaves out."""
    others = [number.board for number in numbers if number.board not in ("", board)]
    if not others:
        return []
    rows = "1 row is" if len(others) == 1 else f"{len(others)} rows are"
    return [f"{path}: {rows} left out, of other boards than {board}: {', '.join(sorted(set(others)))}"]


def read_reported(path: Path) -> list[Reported]:
    """Read the numbers in a file, of whatever board; none when the file does not exist.

    Raises: UserError or Faults, each with file and line.
    """
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
        names = ("model", "method", "nfe", "metric", "value", "source", "note", "board")
        yield Reported(*((row[name] or "").strip() if name == "board" else row[name] or "" for name in names))
    if faults:
        raise Faults(faults)


def _problems(row: dict[str, str]) -> list[str]:
    if None in row or None in row.values():
        return [f"need {len(COLUMNS)} columns"]
    problems = [] if row["source"].strip() else ["a reported number needs its source"]
    if (value := _number(row["value"])) is None:
        problems.append(f"value {row['value']!r} is not a number")
    elif not math.isfinite(value):
        problems.append(f"value {row['value']!r} is not finite: write the number of the source, or remove the row")
    for name in ("params_m", "nfe"):
        number = _number(row[name])
        if row[name].strip() and (number is None or not 0 < number < math.inf):
            problems.append(f"{name} {row[name]!r} is not a number above 0: leave it empty where the source does not say it")
    return problems


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


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
