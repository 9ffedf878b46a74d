"""A board through submitit's local executor: its records are those that the executor `local` makes, bit for bit."""

import logging

import pytest

import harness_local
import harness_slurm
from harness.board.components import Resolved
from harness.board.reading.load import load_board
from harness.process import stop
from harness.run import start
from harness.run.start import RunOptions, run_board
from harness.store.records import load_floor, load_record
from harness.store.runs_folder import RunsFolder
from harness_slurm.settings import SlurmConfig

BOARD = """\
title: Run
dataset: {name: swiss-roll, train_size: 200}
bases:
  edm:
    model: {name: edm-mlp}
    pretrain: {method: mle, training: {images: 64, batch: 16}}
training: {images: 64, batch: 16}
methods: {none: , mle: }
seeds: [0]
evaluation: {samples: 20, batch: 20}
floor: {pairs: 2}
metrics: {sliced-w2: {metric: {name: sliced-w2, projections: 10}}}
"""
LOCAL, SLURM = harness_local.harness_executors()[0], harness_slurm.harness_executors()[0]


@pytest.fixture
def board(tmp_path):
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "board.yaml").write_text(BOARD)
    return load_board(tmp_path / "small")


@pytest.fixture(autouse=True)
def _signals_of_the_tests(monkeypatch):
    monkeypatch.setattr(stop, "on_signals", lambda: None)


def results(board, folder, executor, settings):
    """Run a board, and return what may not depend on where it ran."""
    events, runs = [], RunsFolder(folder)
    how = RunOptions(2, Resolved(executor, settings, "test", "1"), "cpu")
    states = run_board(board, board.cells, runs, how, lambda event: events.append(event.text))
    assert {state.state for state in states} == {"done"}, events
    found: dict[str, tuple[object, ...]] = {}
    for cell in board.cells:
        record = load_record(runs.record(cell.board, cell.name, cell.key))
        values = {name: measured.values for name, measured in record.metrics.items()}
        found[cell.name] = (values, record.weights_sha256, record.samples_sha256, record.costs.network_evaluations)
    (floor,) = board.floors
    found["floor"] = (load_floor(runs.floor(board.name, floor.name, floor.key)).values,)
    return found, events


def test_records_are_those_of_local_bit_for_bit_and_a_base_that_is_there_gets_no_job(board, tmp_path, monkeypatch, caplog):
    settings = SlurmConfig(cluster="local", poll_seconds=0.1)
    of_slurm, events = results(board, tmp_path / "slurm", SLURM, settings)
    assert sorted(event.partition(":")[0] for event in events) == ["base edm", "edm/mle/s0", "edm/none/s0", "floor sliced-w2"]
    of_local, _ = results(board, tmp_path / "local", LOCAL, LOCAL.config())
    assert of_slurm == of_local
    jobs = []
    monkeypatch.setattr(start, "execute", lambda _, ready, *__, **___: jobs.extend(ready([])))
    for path in (tmp_path / "slurm" / "records").rglob("*mle*.json"):
        path.unlink()
    with caplog.at_level(logging.ERROR), pytest.raises(Exception, match="while jobs of this run were still to do"):
        results(board, tmp_path / "slurm", SLURM, settings)
    assert [job.name for job in jobs] == ["edm/mle/s0"]
