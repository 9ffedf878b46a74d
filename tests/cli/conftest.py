"""The command in this process: a working directory with a small board, and `harness` as a shell would run it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from board_fixtures import fake_floor, fake_record

from harness.board.reading.load import load_board
from harness.cli import main
from harness.store.records import save_record
from harness.store.runs_folder import RunsFolder

BOARD = """\
title: Small
dataset: swiss-roll
bases:
  ddpm: {model: ddpm-mlp, pretrain: {method: mle, training: {images: 1280}}}
methods: {none: , mle: , ddo: }
training: {images: 1280}
seeds: [0, 1]
evaluation: {samples: 64}
metrics: {sliced-w2: }
"""


@dataclass
class Done:
    """What a command left behind."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of a board, below the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HARNESS_RUNS", raising=False)
    board = tmp_path / "leaderboards" / "small"
    board.mkdir(parents=True)
    (board / "board.yaml").write_text(BOARD)
    return board


class Shell:
    """Calls `harness` with arguments and environment variables.

    Attributes:
        folder: of the board.
        runs: the runs folder, which is ./runs.
        board: the board, once records of its cells are written.
    """

    def __init__(self, folder, monkeypatch, capsys):
        self.folder, self.runs, self.board = folder, RunsFolder(Path("runs")), None
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, *arguments, **environment):
        self._capsys.readouterr()
        self._monkeypatch.setattr(sys, "argv", ["harness", *map(str, arguments)])
        with self._monkeypatch.context() as context:
            for name, value in {"COLUMNS": "160", **environment}.items():
                context.setenv(name, value)
            with pytest.raises(SystemExit) as end:
                main()
        printed = self._capsys.readouterr()
        return Done(int(end.value.code or 0), printed.out, printed.err)

    def record(self, name):
        """Path of the record of a cell."""
        cell = next(cell for cell in self.board.cells if cell.name == name)
        return self.runs.record(self.board.name, cell.name, cell.key)

    def floor(self):
        """Path of the record of the board's floor."""
        (floor,) = self.board.floors
        return self.runs.floor(self.board.name, floor.name, floor.key)


@pytest.fixture
def shell(folder, monkeypatch, capsys):
    return Shell(folder, monkeypatch, capsys)


@pytest.fixture
def filled(shell):
    """A shell where ./runs has a record for each cell and for the floor."""
    shell.board = load_board(shell.folder)
    for cell in shell.board.cells:
        save_record(fake_record(cell), shell.record(cell.name))
    save_record(fake_floor(shell.board, shell.board.floors[0]), shell.floor())
    return shell
