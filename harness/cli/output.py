"""Results go to stdout, everything else to stderr."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import typer


def result(text: str) -> None:
    """Print what the user asked for, on stdout."""
    typer.echo(text)


def remark(text: str) -> None:
    """Print progress, advice, or where a file is, on stderr."""
    typer.echo(text, err=True)


def print_json(content: object) -> None:
    """Print JSON on stdout, indented, so that people can read it too."""
    typer.echo(json.dumps(content, indent=1, ensure_ascii=False, default=str))


def print_table(rows: Sequence[Mapping[str, str]]) -> None:
    """Print rows on stdout in columns named by the keys of the first row. Prints nothing where there are no rows."""
    if not rows:
        return
    names = list(rows[0])
    lines = [names, *([row[name] for name in names] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(names))]
    for line in lines:
        typer.echo("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def duration(seconds: float) -> str:
    """Return a time in the unit that suits it: `40 s`, `12 min`, `3.5 h`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 2 * 3600 else f"{seconds / 3600:.1f} h"
