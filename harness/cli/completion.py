"""`harness completion`."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

import typer

from harness.cli.output import remark, result
from harness.errors import UserError, unknown

START_FILES: Mapping[str, str] = {"bash": ".bashrc", "zsh": ".zshrc"}
"""The file that each shell reads when it starts."""
MARK = "  # completion of harness"
Action = Annotated[Literal["install", "show"], typer.Argument(metavar="ACTION", help="install it for you, or show the script.")]
Shell = Annotated[
    str | None, typer.Argument(metavar="[SHELL]", help="bash or zsh. [default: the shell of $SHELL]", show_default=False)
]


def completion(action: Action, shell: Shell = None) -> None:
    """Example: harness completion install bash

    Complete commands, boards, components, settings and filters with the Tab key, in bash and zsh.
    """
    name = _shell(shell)
    script = script_of(name)
    if action == "show":
        result(script.removesuffix("\n"))
        return
    target, start = install(name, script)
    result(str(target))
    remark(f"{start} reads it when a shell starts; for this one: source {shlex.quote(str(target))}")


def script_of(shell: str) -> str:
    """Return the script for a shell, which asks `harness` itself at each press of Tab."""
    return resources.files("harness.cli").joinpath("completion_scripts", f"harness.{shell}").read_text(encoding="utf-8")


def install(shell: str, script: str) -> tuple[Path, Path]:
    """Write the script, and let the shell read it when it starts. A second call changes nothing but the script.

    Returns: the script's file, and the file that the shell reads. Raises: UserError where a file cannot be written.
    """
    home = Path(os.environ.get("HOME") or Path.home())
    data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    target = data / "finetune-harness" / f"completion.{shell}"
    folder = os.environ.get("ZDOTDIR") if shell == "zsh" else None
    start = Path(folder or home) / START_FILES[shell]
    line = f"source {shlex.quote(str(target))}{MARK}\n"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(script, encoding="utf-8")
        before = start.read_text(encoding="utf-8") if start.exists() else ""
        if line not in before.splitlines(keepends=True):
            with start.open("a", encoding="utf-8") as file:
                file.write(("" if not before or before.endswith("\n") else "\n") + line)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"completion: {error}; put the output of `harness completion show {shell}` where your shell reads it"
        ) from error
    return target, start


def _shell(name: str | None) -> str:
    """Return the shell's name. Raises: UserError for one that has no script."""
    given = name or Path(os.environ.get("SHELL", "")).name
    if given not in START_FILES:
        if name is None:
            raise UserError(f"completion: $SHELL is {os.environ.get('SHELL', '')!r}; name bash or zsh")
        raise unknown("shell with a completion", given, START_FILES, where="completion")
    return given
