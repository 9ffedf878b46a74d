"""`harness logs`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.arguments import RunsDir, Smoke
from harness.cli.output import remark, result
from harness.errors import UserError, closest
from harness.store.runs_folder import RunsFolder

HEADLINE = "=== 2"
"""How each job's part of a log begins: with a date."""
CellName = Annotated[
    str,
    typer.Argument(
        metavar="CELL", help="A cell as harness status names it, or 'base NAME', or 'floor NAME'.", show_default=False
    ),
]
BoardName = Annotated[
    str | None, typer.Option("--board", metavar="BOARD", help="Name or folder of the board, where several have such a cell.")
]
All = Annotated[bool, typer.Option("--all", help="The logs of earlier jobs of the cell too.")]


def logs(cell: CellName, board: BoardName = None, all_jobs: All = False, smoke: Smoke = False, runs_dir: RunsDir = None) -> None:
    """Example: harness logs ddpm-10/ddo/s0

    Print the log of the last job of a cell, a base or a floor: messages, tracebacks, and what plugins printed.
    """
    runs = RunsFolder.of(runs_dir, smoke=smoke)
    path = _path(runs, cell.strip(), None if board is None else Path(board).resolve().name)
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    remark(str(path))
    result((text if all_jobs else _last_job(text)).rstrip("\n"))


def _last_job(text: str) -> str:
    """Return what the last job printed. A line may stand there that the run wrote after the job's end."""
    start = text.rfind(f"\n{HEADLINE}")
    return text[start + 1 :]


def _path(runs: RunsFolder, name: str, board: str | None) -> Path:
    """Return the file of a log. Raises: UserError where there is none, or one in each of several boards."""
    kind, _, rest = name.partition(" ")
    kind, name = (kind, rest) if kind in ("base", "floor") and rest else ("cell", name)
    boards = [folder.name for folder in _folders(runs.root / "logs")] if board is None else [board]
    paths = {path.parents[1].name: path for each in boards if (path := runs.job_log(each, kind, name)).is_file()}  # type: ignore[arg-type]
    if len(paths) > 1:
        raise UserError(f"{name}: several boards have a log of it; say which with --board: {', '.join(sorted(paths))}")
    if not paths:
        known = [
            file.stem.replace("__", "/") for each in boards for file in (runs.root / "logs" / each / f"{kind}s").glob("*.log")
        ]
        near = closest(name, known)
        hint = f"; did you mean {near!r}?" if near else "; harness status names the cells of a board"
        raise UserError(f"{name}: no job of it has written a log in {runs.root}{hint}")
    return next(iter(paths.values()))


def _folders(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from (path for path in sorted(folder.iterdir()) if path.is_dir())
