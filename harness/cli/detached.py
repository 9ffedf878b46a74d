"""A run in a session of its own, which outlives the terminal: `harness run --detach`.

The command starts itself again, without a terminal, and waits until that process says that its run has begun. Until then all
faults of the run are faults of the command: their text, and exit code 2.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

from harness.cli.output import remark, result

if TYPE_CHECKING:
    from harness.store.commands import Command
    from harness.store.runs_folder import RunsFolder

VARIABLE = "HARNESS_DETACHED"
"""The environment variable of the process in a session of its own: `DESCRIPTOR:LOG`."""


@dataclass
class Parent:
    """The command that waits until the run of this process has begun.

    Args:
        descriptor: of the pipe to it.
        log: the file that has what this process prints.
    """

    descriptor: int
    log: Path

    def tell(self, command: Command, runs: RunsFolder) -> None:
        """Say that the run has begun. The log gets the name of the command. Called again it does nothing."""
        from harness.store.commands import log_of

        if self.descriptor < 0:
            return
        self._tell(f"{command.where} goes on by itself", log_of(command.id, runs))

    def tell_of_other(self, other: Command, runs: RunsFolder) -> None:
        """Say that this process follows another run of the same cells, which it takes over should that run die."""
        from harness.process.host import here
        from harness.store.commands import log_of
        from harness.store.workers import this_worker

        if self.descriptor < 0:
            return
        where = f"process {os.getpid()} on {here().name}"
        self._tell(
            f"{other.where} works on these cells already; {where} follows it by itself",
            log_of(this_worker(runs.workers).id, runs),
        )

    def _tell(self, message: str, path: Path) -> None:
        with suppress(OSError):
            self.log.replace(path)
        with suppress(OSError):
            os.write(self.descriptor, f"{message}\n{path}".encode(errors="surrogateescape"))
        self.close()

    def close(self) -> None:
        """Close the pipe. The run's workers must not hold it open."""
        with suppress(OSError):
            os.close(self.descriptor)
        self.descriptor = -1


def parent() -> Parent | None:
    """Return the command that waits for this process; None where this process has its terminal. Called once."""
    descriptor, _, log = os.environ.pop(VARIABLE, "").partition(":")
    if not descriptor.isdecimal():
        return None
    with suppress(OSError):
        os.set_inheritable(int(descriptor), False)
        return Parent(int(descriptor), Path(log))
    return None


def on_follow(waiting: Parent | None, runs: RunsFolder) -> Callable[[Command], None]:
    """Return the function that tells the command that waits, if one does, which other run this process follows."""

    def tell(other: Command) -> None:
        if waiting is not None:
            waiting.tell_of_other(other, runs)

    return tell


def start(place: str, runs: RunsFolder) -> NoReturn:
    """Start this command in a session of its own, and end when its run has begun, or has ended before.

    Args:
        place: see `harness.cli.arguments.of_same_place`.
    Raises: typer.Exit with 0 when it has begun, else with the exit code of the run, whose output is printed; UserError where the
        runs folder takes no files; KeyboardInterrupt.
    """
    runs.check_writable()
    runs.commands.mkdir(parents=True, exist_ok=True)
    log = runs.commands.absolute() / f".{secrets.token_hex(6)}.log"
    source, target = os.pipe()
    try:
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "harness", *sys.argv[1:]],
                env={**os.environ, VARIABLE: f"{target}:{log}"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[target],
                start_new_session=True,
            )
        os.close(target)
        message = _read(source, process)
    except BaseException:
        log.unlink(missing_ok=True)
        raise
    finally:
        os.close(source)
    if message:
        what, _, path = message.partition("\n")
        remark(f"detached: {what}; its output: {path}")
        result(f"harness status {place} --watch\nharness cancel {place}")
        raise typer.Exit
    code = process.wait()
    remark(log.read_text(encoding="utf-8", errors="replace").rstrip())
    log.unlink(missing_ok=True)
    raise typer.Exit(code if code >= 0 else 128 - code)


def _read(source: int, process: subprocess.Popen[bytes]) -> str:
    """Return what the process says when its run has begun; "" where it ends before. A Ctrl-C meanwhile ends it."""
    parts = []
    try:
        while content := os.read(source, 4096):
            parts.append(content)
    except BaseException:
        process.terminate()
        process.wait()
        raise
    return b"".join(parts).decode(errors="surrogateescape")
