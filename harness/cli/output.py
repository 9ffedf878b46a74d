"""Results go to stdout, everything else to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence


def result(text: str, *, at_once: bool = False) -> None:
    """Print what the user asked for, on stdout.

    Args:
        at_once: whether a file or a pipe has the text now: Python gathers 8 KiB first, which may take a command minutes.
    """
    print(text, flush=at_once)  # noqa: T201 - `typer.echo` writes UTF-8 where the encoding is ASCII


def remark(text: str) -> None:
    """Print progress, advice, or where a file is, on stderr."""
    print(text, file=sys.stderr)  # noqa: T201


def print_json(content: object) -> None:
    """Print JSON on stdout, indented, so that people can read it too."""
    has_all_characters = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    result(json.dumps(content, indent=1, ensure_ascii=not has_all_characters, default=str))


def print_table(rows: Sequence[Mapping[str, str]]) -> None:
    """Print rows on stdout in columns named by the keys of all rows. Prints nothing where there are no rows."""
    if not rows:
        return
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [names, *([row.get(name, "") for name in names] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(names))]
    for line in lines:
        result("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def duration(seconds: float) -> str:
    """Return a time in the unit that suits it: `40 s`, `12 min`, `3.5 h`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 2 * 3600 else f"{seconds / 3600:.1f} h"
