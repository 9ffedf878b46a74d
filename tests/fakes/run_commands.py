"""Run commands of pages in one process, which imports torch once: `run_commands.py REPORT < PLAN`.

The plan is JSON: for each folder, the commands to run there. The report has what each command gave.

`harness …` and `pytest …` are called as their console scripts call them, `python FILE` runs the file, and `export NAME=VALUE`
sets a variable for the commands after it. Boards run in this process too, by the executor that docs/plugins/executor.md writes.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import runpy
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.cli import main as harness


def run(command: str) -> int:
    """Run one command. Returns: its exit code."""
    program, *arguments = shlex.split(os.path.expandvars(command))
    if program == "export":
        os.environ.update({name: value for name, _, value in (argument.partition("=") for argument in arguments)})
    elif program == "python":
        runpy.run_path(arguments[0], run_name="__main__")
    elif program == "pytest":
        return int(pytest.main(["-q", "-p", "no:cacheprovider", *arguments]))
    else:
        if arguments[0] == "run" and "--executor" not in arguments:
            arguments += ["--executor", "serial"]
        sys.argv = [program, *arguments]
        try:
            harness()
        except SystemExit as end:
            return int(end.code or 0)
    return 0


def run_all(commands: Sequence[str]) -> list[dict[str, object]]:
    """Run commands up to the first that fails. Returns: what ran, as JSON values."""
    ran: list[dict[str, object]] = []
    for command in commands:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run(command)
        ran.append({"command": command, "code": code, "out": out.getvalue(), "err": err.getvalue()})
        if code:
            break
    return ran


def main() -> None:
    target, report = Path(sys.argv[1]), {}  # commands have arguments of their own
    for folder, commands in json.load(sys.stdin).items():
        before = dict(os.environ)
        os.environ["PWD"] = folder
        with contextlib.chdir(folder):
            report[folder] = run_all(commands)
        os.environ.clear()
        os.environ.update(before)
    target.write_text(json.dumps(report), encoding="utf-8")


if __name__ == "__main__":
    main()
