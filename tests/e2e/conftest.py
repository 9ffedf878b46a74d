"""The real command in real processes, on boards that take seconds."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import in_process
import pytest
import record_results
from filelock import FileLock

from harness.plugins import registry

BOARD = """\
title: Tiny
dataset: {name: swiss-roll, train_size: 1000}
bases:
  small:
    model: {name: ddpm-mlp, steps: 4, width: 32}
    pretrain: {method: mle, training: {images: 25600, batch: 64}}
training: {images: 6400, batch: 64}
methods:
  none:
  mle:
    method: {name: mle, optimizer: {name: adam, lr: 1.0e-4}}
    training: {ema: 0.99, select: best}
  sft-pg:
    method: {name: sft-pg, critic_width: 32}
  ddo:
    method: {name: ddo, beta: 1.0, rounds: 2, bank_size: 200}
  neon:
    method: {name: neon, w: 0.5, bank_size: 200}
seeds: [0, 1]
evaluation: {samples: 200, draws: 2, batch: 200}
floor: {pairs: 2}
metrics:
  sliced-w2:
  w2:
curve: {metric: sliced-w2, points: 3, samples: 200}
"""
SECONDS = 900


@dataclass
class Command:
    """`python -m harness` with a board and a runs folder of its own."""

    board: Path
    runs: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def _environment(self) -> dict[str, str]:
        # Warnings of libraries are not what these tests are about.
        return {**os.environ, "PYTHONWARNINGS": "ignore", "OMP_NUM_THREADS": "1", **self.environment}

    def start(self, *arguments: str, **options: object) -> subprocess.Popen[str]:
        """`run` in the background, in a process group of its own; by default with one worker, since each imports torch."""
        where = [str(self.board), "--runs-dir", str(self.runs)]
        return subprocess.Popen(
            [sys.executable, "-m", "harness", "run", *where, "--jobs", "1", *arguments],
            env=self._environment,
            start_new_session=True,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **options,  # type: ignore[call-overload]
        )

    def run(self, *arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
        """`run` to its end."""
        process = self.start(*arguments, **options)
        try:
            out, err = process.communicate(timeout=SECONDS)
        finally:
            end_group(process)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Any other command of the harness."""
        line = [sys.executable, "-m", "harness", *arguments]
        return subprocess.run(line, env=self._environment, text=True, capture_output=True, timeout=SECONDS, check=False)

    def records(self) -> dict[str, dict[str, Any]]:
        """Content of all records, by the name of their file; floors too."""
        return record_results.records(self.runs)

    def record(self, cell: str) -> dict[str, Any]:
        """The record of a cell, of which there is no second."""
        (found,) = [r for name, r in self.records().items() if name.startswith(cell.replace("/", "__") + ".")]
        return found

    def results(self) -> dict[str, object]:
        """The part of each record that may not depend on how the run went."""
        return record_results.results(self.runs)

    def results_of_smoke(self) -> dict[str, object]:
        """As `results`, of what `--smoke` has made."""
        return record_results.results(self.runs / "smoke")

    def expect_smoke_as_alone(self, folder: Path, records: int) -> None:
        """What `--smoke` has made is that of a run on this machine alone, in another folder: so many records."""
        there = self.results_of_smoke()
        self.environment["HARNESS_HOST"] = "one"
        self.runs = folder
        here = self.run("--smoke")
        assert here.returncode == 0, here.stderr
        assert there == self.results_of_smoke()
        assert len(there) == records

    def files(self, pattern: str = "stages/*/*/*") -> dict[str, tuple[int, int]]:
        """Inode and time of each file: what was made again has others."""
        paths = [path for path in self.runs.glob(pattern) if path.is_file()]
        return {str(path.relative_to(self.runs)): (path.stat().st_ino, path.stat().st_mtime_ns) for path in paths}

    def put_on_path(self, site: Path) -> None:
        """Let the command find what is installed in this folder, before what the tests themselves find."""
        self.environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH", "")]))

    def write_board(self, text: str, name: str = "tiny") -> None:
        """Name another board from now on."""
        folder = self.board.parent / name
        folder.mkdir(exist_ok=True)
        (folder / "board.yaml").write_text(text)
        self.board = folder


class CommandHere(Command):
    """The same command in the process of the tests, for boards that need no workers: torch is imported once for all of them."""

    def run(self, *arguments: str, **_: object) -> subprocess.CompletedProcess[str]:
        return self.call("run", str(self.board), "--runs-dir", str(self.runs), *arguments)

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        ended = in_process.command(*arguments)
        return subprocess.CompletedProcess(arguments, ended.code, ended.out, ended.err)


def end_group(process: subprocess.Popen[str]) -> None:
    """Kill a process that we started, and its workers."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()


@pytest.fixture
def kill() -> Callable[[subprocess.Popen[str]], None]:
    """`kill -9` of a run and all its workers."""
    return end_group


def wait_until(is_true: Callable[[], object], process: subprocess.Popen[str]) -> bool:
    """Wait for something; False when the process ended first. Raises: AssertionError when it takes too long."""
    end = time.monotonic() + SECONDS
    while not is_true():
        if process.poll() is not None:
            return bool(is_true())
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.002)
    return True


@pytest.fixture
def wait() -> Callable[..., bool]:
    """See `wait_until`."""
    return wait_until


def make_command(folder: Path, board: str = BOARD) -> Command:
    command = Command(folder / "tiny", folder / "runs")
    command.board.parent.mkdir(parents=True, exist_ok=True)
    command.write_board(board)
    return command


@pytest.fixture(scope="session")
def tiny_command() -> Callable[..., Command]:
    """See `make_command`: the tiny board in a folder."""
    return make_command


@pytest.fixture
def command(tmp_path) -> Command:
    """The tiny board, never run."""
    return make_command(tmp_path)


@pytest.fixture
def command_here(tmp_path, monkeypatch) -> CommandHere:
    """As `command`, without processes of its own: not for tests of kills, signals, plugins or the environment."""
    in_process.run_in_this_process(monkeypatch)
    command = CommandHere(tmp_path / "tiny", tmp_path / "runs")
    command.write_board(BOARD)
    return command


@pytest.fixture
def plugin_here(monkeypatch) -> Iterator[Callable[[Command, str, str], None]]:
    """As `plugin`, for a command in this process, which finds its plugins anew."""
    names = []

    def put(command: Command, name: str, source: str) -> None:
        monkeypatch.syspath_prepend(install(command, name, source).parent)
        names.append(name)
        registry.cache_clear()

    yield put
    for name in names:
        sys.modules.pop(name, None)
    registry.cache_clear()


RECORDER = """\
import os
from harness import hookimpl


def note(*words):
    with open(os.environ["NOTES"], "a") as file:
        file.write(" ".join(map(str, words)) + "\\n")


@hookimpl
def harness_step_logged(cell, step):
    note("step", cell, STEP)


@hookimpl
def harness_cell_finished(cell, record):
    note("finished", cell.name, END)
"""
"""A listener that notes the steps and ends of cells. STEP and END stand for what it notes of them."""
HOST = 'os.environ["HARNESS_HOST"]'


def install(command: Command, name: str, source: str) -> Path:
    """A plugin as pip would leave it: a module and its metadata in a folder on the path."""
    site = command.board.parent / "site"
    about = site / f"{name}-1.dist-info"
    about.mkdir(parents=True, exist_ok=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    (about / "entry_points.txt").write_text(f"[harness]\n{name} = {name}\n")
    (site / f"{name}.py").write_text(source)
    command.put_on_path(site)
    return site / f"{name}.py"


@pytest.fixture
def plugin() -> Callable[[Command, str, str], Path]:
    """See `install`."""
    return install


@pytest.fixture
def recorder() -> Callable[[Command], Callable[[], list[str]]]:
    """Install a listener into a command; the result gives the lines that it has noted."""

    def watch(command: Command) -> Callable[[], list[str]]:
        install(command, "recorder", RECORDER.replace("STEP", "step").replace("END", "record.status"))
        notes = command.board.parent / "notes.txt"
        command.environment["NOTES"] = str(notes)
        return lambda: notes.read_text().splitlines() if notes.exists() else []

    return watch


@pytest.fixture
def notes(command, plugin) -> Callable[[], list[tuple[str, str]]]:
    """Let a run note on which host its steps are done; the result gives the pairs (what, host) noted so far."""
    plugin(command, "recorder", RECORDER.replace("STEP", HOST).replace("END", HOST))
    file = command.board.parent / "notes.txt"
    command.environment["NOTES"] = str(file)

    def read() -> list[tuple[str, str]]:
        lines = file.read_text().splitlines() if file.exists() else []
        return [(words[0], words[-1]) for words in map(str.split, lines) if len(words) == 3]

    return read


@pytest.fixture
def tiny_board() -> str:
    """Text of the tiny board."""
    return BOARD


@dataclass
class Undisturbed:
    """The tiny board after one run to the end."""

    command: Command
    ended: subprocess.CompletedProcess[str]


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory) -> Undisturbed:
    """The run that all others are compared with, made once for all processes of the tests. Read only."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "undisturbed"
    kept = folder / "ended.json"
    with FileLock(f"{folder}.lock"):
        command = make_command(folder)
        if not kept.exists():
            ended = command.run("--jobs", "2")
            kept.write_text(json.dumps([ended.returncode, ended.stdout, ended.stderr]))
    return Undisturbed(command, subprocess.CompletedProcess([], *json.loads(kept.read_text())))


@pytest.fixture
def finished(undisturbed, tmp_path) -> Command:
    """A copy of the finished board, to do things to."""
    command = make_command(tmp_path)
    shutil.copytree(undisturbed.command.runs, command.runs)
    return command
