"""Arguments that several commands share, and how their values complete in the shell."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from glob import escape, glob
from pathlib import Path
from typing import Annotated

import typer

from harness.board.reading.find import ENDINGS
from harness.components import KINDS
from harness.errors import UserError

LISTED_KINDS = (*KINDS, "listener", "preset", "reference", "board")
"""The kinds that `harness list` takes, in the singular."""


def board_names(incomplete: str) -> Iterator[str]:
    """Give the folders with a board.yaml under ./leaderboards that begin like the incomplete word."""
    for file in sorted(Path("leaderboards").glob("*/board.yaml")):
        if str(file.parent).startswith(incomplete):
            yield str(file.parent)


def component_names(incomplete: str) -> Iterator[str]:
    """Give the kinds and names of installed components, presets and references that begin like the incomplete word."""
    from harness.plugins import registry

    installed = registry()
    names = {
        *LISTED_KINDS,
        *(name for kind in KINDS for name in installed.names(kind)),
        *installed.presets,
        *installed.references,
    }
    yield from sorted(name for name in names if name.startswith(incomplete))


def checkable_names(incomplete: str) -> Iterator[str]:
    """Give what `harness check` can be asked for, and that begins like the incomplete word."""
    from harness.plugins import registry

    installed = registry()
    components = [(kind, name) for kind in KINDS for name in installed.names(kind)]
    names = {*(f"{kind}:{name}" for kind, name in components), *(name for _, name in components), *installed.plugins}
    names |= {f"{kind}s" for kind in (*KINDS, "preset", "listener", "plugin")}
    yield from sorted(name for name in names if name.startswith(incomplete))


def kind_names(incomplete: str) -> Iterator[str]:
    """Give the kinds, in the plural, that begin like the incomplete word."""
    yield from (f"{kind}s" for kind in LISTED_KINDS if f"{kind}s".startswith(incomplete))


def new_kind_names(incomplete: str) -> Iterator[str]:
    """Give the kinds of plugins that `harness new` writes and that begin like the incomplete word."""
    yield from (kind for kind in (*KINDS, "listener") if kind.startswith(incomplete))


def folder_names(incomplete: str) -> Iterator[str]:
    """Give the folders whose path begins like the incomplete word."""
    yield from sorted(glob(f"{escape(incomplete)}*/"))


def named_folder(text: str) -> Path:
    """Return the path of a folder. Raises: UserError for an empty text, which an unset variable gives."""
    if not text:
        raise UserError("--runs-dir: names no folder; give one, or leave the option out (. is the current folder)")
    return Path(text)


def each_once(boards: list[Path]) -> list[Path]:
    """Return boards without those that are named again, such as by two patterns of the shell or by folder and file."""
    by_folder: dict[Path, Path] = {}
    for board in boards:
        by_folder.setdefault((board.parent if board.suffix in ENDINGS else board).resolve(), board)
    return list(by_folder.values())


def chosen_runs_dir(context: typer.Context, folder: Path | None) -> Path | None:
    """Return the folder of the option; where neither it nor $HARNESS_RUNS says one, that of the user's files, if they do."""
    if folder is not None or context.resilient_parsing or os.environ.get("HARNESS_RUNS"):
        return folder
    from harness.run.user_files import user_files

    return next((file.runs_dir for file in user_files() if file.runs_dir is not None), None)


BoardPath = Annotated[
    Path, typer.Argument(metavar="BOARD", help="A board's folder, or its board.yaml.", autocompletion=board_names)
]
BoardPaths = Annotated[
    list[Path],
    typer.Argument(metavar="BOARD...", help="Folders of boards.", autocompletion=board_names, callback=each_once),
]
RunsDir = Annotated[
    Path | None,
    typer.Option(
        "--runs-dir",
        metavar="FOLDER",
        parser=named_folder,
        callback=chosen_runs_dir,
        autocompletion=folder_names,
        help="Where runs, checkpoints and caches live. [default: $HARNESS_RUNS, harness.toml, or ./runs]",
        show_default=False,
    ),
]
Device = Annotated[str, typer.Option(metavar="NAME", help="cpu, cuda, or auto.")]
RunDevice = Annotated[
    str | None,
    typer.Option("--device", metavar="NAME", help="cpu, cuda, or auto. [default: harness.toml, or auto]", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Smoke = Annotated[bool, typer.Option("--smoke", help="Tiny budgets, the same code path; kept apart from real records.")]


def of_same_place(board: Path, runs_dir: Path | None, *, smoke: bool) -> str:
    """Return the board and the options that name its runs folder, for a command line that a message shows.

    Args:
        runs_dir, smoke: what the command line said of the folder.
    """
    options = ["--smoke"] * smoke + ([] if runs_dir is None else ["--runs-dir", str(runs_dir)])
    return shlex.join([str(board), *options])
