"""A small real board, and an executor that runs its jobs in this process."""

import pytest

from harness.board.reading.load import load_board
from harness.components import Executor
from harness.interfaces import JobEnd
from harness.process import stop
from harness.run import busy_jobs

BOARD = """\
title: Run
dataset: {name: swiss-roll, train_size: 200}
bases:
  ddpm:
    model: {name: ddpm-mlp, steps: 2, width: 8}
    pretrain: {method: mle, training: {images: 64, batch: 16}}
  edm:
    model: {name: edm-mlp}
    pretrain: {method: mle, training: {images: 64, batch: 16}}
    only: seed=0
training: {images: 64, batch: 16}
methods:
  none:
  sft-pg: {method: {name: sft-pg, critic_width: 8}}
  ddo: {method: {name: ddo, bank_size: 20}}
seeds: [0, 1]
evaluation: {samples: 20, batch: 20}
floor: {pairs: 2}
metrics: {sliced-w2: {metric: {name: sliced-w2, projections: 10}}}
"""


class Serial:
    """Runs every job in this process, the oldest first or the newest.

    `intercept(job)` may return a JobEnd in the place of running the job.
    """

    def __init__(self):
        self.newest_first = False
        self.ran = []
        self.stop_intercepting()

    def stop_intercepting(self):
        self.intercept = lambda _: None

    def run(self, ready, *, slots):
        queue, ends = [], []
        while (more := ready(ends)) is not None:
            queue += more
            if stop.is_requested():
                return
            ends = []
            if queue:
                job = queue.pop(-1 if self.newest_first else 0)
                self.ran.append(job.name)
                ends = [self.intercept(job) or JobEnd(job, job.function(*job.arguments))]


@pytest.fixture
def serial(monkeypatch):
    executor = Serial()
    monkeypatch.setattr(Executor, "create", lambda *_: executor)
    monkeypatch.setattr(busy_jobs, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(stop, "on_signals", lambda: None)  # signals belong to the process of the tests
    yield executor
    stop.clear()


@pytest.fixture
def small_text():
    """Text of the small board, to be changed."""
    return BOARD


@pytest.fixture
def write_small(tmp_path):
    """Write a board into a folder called `small` and read it; by default two bases × three methods × two seeds."""

    def write(text=BOARD):
        folder = tmp_path / "small"
        folder.mkdir(exist_ok=True)
        (folder / "board.yaml").write_text(text)
        return load_board(folder)

    return write


@pytest.fixture
def small(write_small):
    return write_small()
