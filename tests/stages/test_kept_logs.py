"""Beside a cell's record stand its training log and that of its base, also where the training diverged."""

import dataclasses
import shutil

import pytest
import stage_parts
import torch
from stage_parts import DRIFTING, Drifting

from harness.board.log_files import base_logs, cell_log
from harness.stages import jobs, kept_logs
from harness.stages.options import JobOptions
from harness.stages.process_cache import ProcessCache
from harness.store.runs_folder import RunsFolder
from harness.training.training_log import read_log


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a cell with a log at every step; returns the runs folder."""
    monkeypatch.setattr(jobs, "_CACHE", ProcessCache())

    def do(cell):
        jobs.run_cell(cell, RunsFolder(tmp_path / "runs"), JobOptions("cpu", log_every=1))
        return RunsFolder(tmp_path / "runs")

    return do


def steps(log, cell, runs):
    return [line.step for line in read_log(log.beside_records(runs, cell.board), log.training_key)]


def test_logs_of_the_cell_and_of_its_base_stand_beside_the_record(cells, run):
    cell = cells["small/mle/s0"]
    runs = run(cell)
    (base,) = base_logs(cell.base)
    assert (steps(cell_log(cell), cell, runs), steps(base, cell, runs)) == ([1, 2, 3, 4], [1, 2])
    assert runs.record(cell.board, cell.name, cell.key).is_file()


def test_a_cell_that_does_not_train_has_its_bases_log_alone(cells, run):
    cell = cells["small/none/s0"]
    runs = run(cell)
    assert [path.name for path in runs.records(cell.board).glob("*.log.jsonl")] == [f"base__small.{cell.base.key[:12]}.log.jsonl"]


def test_a_log_of_an_earlier_run_gives_way_also_where_it_is_as_large(cells, run):
    cell = cells["small/mle/s0"]
    runs = run(cell)
    path, source = cell_log(cell).beside_records(runs, cell.board), cell_log(cell).sources(runs)[0]
    path.write_bytes(path.read_bytes().replace(b'"step": 1', b'"step": 7'))  # as large as before
    kept_logs.keep(cell, runs)
    assert path.read_bytes() == source.read_bytes()


def test_a_log_of_an_earlier_run_goes_where_the_training_left_none(cells, run):
    cell = cells["small/mle/s0"]
    runs = run(cell)
    (base,) = base_logs(cell.base)
    cell_log(cell).sources(runs)[0].unlink()
    shutil.rmtree(base.sources(runs)[0].parent)  # a cleaned output says nothing of the base of other records
    kept_logs.keep(cell, runs)
    assert not cell_log(cell).beside_records(runs, cell.board).exists()
    assert steps(base, cell, runs) == [1, 2]


class DivergesAtTheEnd(Drifting):
    def step(self, batch, generator, index):
        return {**super().step(batch, generator, index), "loss": torch.tensor(float("nan") if index == 3 else 1.0)}


def test_a_training_that_diverges_leaves_the_log_until_then(cells, run, monkeypatch):
    monkeypatch.setattr(stage_parts, "Drifting", DivergesAtTheEnd)
    cell = cells["small/mle/s0"]
    cell = dataclasses.replace(cell, row=dataclasses.replace(cell.row, method=DRIFTING))
    assert steps(cell_log(cell), cell, run(cell)) == [1, 2, 3]
