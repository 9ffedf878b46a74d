"""The file of a command that works on a board in a runs folder: who it is, and which cells it works on.

```
commands/ID.json   while `harness run` works; a command that was killed leaves it, and the next run of the board removes it
commands/ID.log    what a command printed that was started with --detach
```

The id is that of the command's worker, whose heartbeat says whether the command lives: see `harness.store.workers`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from harness.process.host import ProcessId, here, is_dead_here
from harness.store.files import write_text
from harness.store.reading import read_bytes
from harness.store.runs_folder import RunsFolder
from harness.store.workers import GONE, SUFFIX, this_worker

KEY_DIGITS = 12
"""Digits of the keys of cells in the file: as many as in the names of records."""
MOST_BEFORE = 20
"""How many dead commands a file names that worked on the board before."""


@dataclass(frozen=True)
class Command:
    """A command that works on a board, or that worked on it until it was killed.

    Args:
        id: of its worker.
        host: name of its host.
        pid: id of its process there.
        board: name of the board.
        arguments: of the command line.
        executor: name of the executor.
        started: date and time in UTC, for people.
        is_detached: whether it was started with --detach.
        keys: the first digits of the key of each cell that it works on.
        before: ids of dead commands whose jobs may still be in the queue of a cluster.
    """

    id: str
    host: str
    pid: int
    board: str
    arguments: tuple[str, ...] = ()
    executor: str = ""
    started: str = ""
    is_detached: bool = False
    keys: tuple[str, ...] = ()
    before: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        """The process, for people: `process 4711 on node3`."""
        return f"process {self.pid} on {self.host}"


def this_command(board: str, runs: RunsFolder, keys: Sequence[str], facts: Mapping[str, object]) -> Command:
    """Return this process as a command that works on a board.

    Args:
        keys: of the cells that it works on.
        facts: more fields of `Command`.
    """
    worker = this_worker(runs.workers)
    started = datetime.now(UTC).isoformat(" ", "seconds")
    command = Command(worker.id, here().name, os.getpid(), board, started=started, keys=tuple(key[:KEY_DIGITS] for key in keys))
    return replace(command, **facts)  # type: ignore[arg-type]


@contextmanager
def registered(command: Command, runs: RunsFolder) -> Iterator[None]:
    """Keep the file of this command, and its heartbeat, during the block. Raises: StorageError; OSError."""
    worker = this_worker(runs.workers)
    worker.use()
    path = file_of(command.id, runs)
    try:
        write_text(path, json.dumps(asdict(command)))
        yield
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)
        worker.leave()


def file_of(command_id: str, runs: RunsFolder) -> Path:
    """Return the file of a command."""
    return runs.commands / f"{command_id}{SUFFIX}"


def log_of(command_id: str, runs: RunsFolder) -> Path:
    """Return the log of a command that was started with --detach."""
    return runs.commands / f"{command_id}.log"


def commands(runs: RunsFolder, board: str | None = None) -> list[Command]:
    """Return the commands whose files are there, the oldest first: those at work, and those that were killed.

    Args:
        board: name of the only board that counts; None for all.
    """
    found = []
    with suppress(OSError):
        for name in sorted(os.listdir(runs.commands)):
            if name.endswith(SUFFIX) and ProcessId.of(name.removesuffix(SUFFIX)) is not None:
                with suppress(OSError, ValueError, RecursionError, msgspec.ValidationError):
                    found.append(msgspec.convert(json.loads(read_bytes(runs.commands / name)), Command))
    return sorted((command for command in found if board in (None, command.board)), key=lambda command: command.started)


def count(runs: RunsFolder) -> int:
    """Return how many commands have a file: one listing of a folder."""
    try:
        return sum(name.endswith(SUFFIX) for name in os.listdir(runs.commands))
    except OSError:
        return 0


def is_at_work(command: Command, runs: RunsFolder) -> bool:
    """Return whether a command lives, as far as one look can tell: one on another host may have died a minute ago."""
    if is_dead_here(command.id) or (runs.workers / f"{command.id}{GONE}").exists():
        return False
    return (runs.workers / f"{command.id}{SUFFIX}").exists() and file_of(command.id, runs).exists()


def forget(dead: Sequence[Command], runs: RunsFolder) -> tuple[str, ...]:
    """Remove the files of dead commands. Returns: their ids and those of the commands before them, the last of each board."""
    ids: list[str] = []
    for command in dead:
        ids += [*command.before, command.id]
        with suppress(OSError):
            file_of(command.id, runs).unlink(missing_ok=True)
    return tuple(dict.fromkeys(ids))[-MOST_BEFORE:]
