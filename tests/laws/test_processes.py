"""What must not matter: the number of processes of a cell, with real processes and gloo between them."""

from __future__ import annotations

import dataclasses
import os
import signal

import psutil
import pytest
import torch

from harness.board.reading.load import load_board
from harness.process.crew_lead import Lead
from harness.sampling import drawing
from harness.stages import jobs
from harness.stages.example_sets import SAMPLES
from harness.stages.job_result import FINISHED
from harness.stages.options import JobOptions
from harness.stages.record import record_path
from harness.store.records import load_record
from harness.store.runs_folder import RunsFolder
from harness.training import checkpoint
from harness.weights import state_dicts

BOARD = """\
title: Tiny
dataset: {name: swiss-roll, train_size: 256}
bases:
  small:
    model: {name: ddpm-mlp, steps: 2, width: 8}
    pretrain: {method: mle, training: {images: 140, batch: 7}}
training: {images: 140, batch: 7}
curve: {metric: sliced-w2, points: 2, samples: 30}
methods:
  mle:
  ddo: {method: {name: ddo, bank_size: 40, rounds: 2, reference: best}}
  online: {method: {name: ddo, fakes: online}}
  neon: {method: {name: neon, bank_size: 40}}
  sft-pg: {method: {name: sft-pg, critic_width: 8}}
seeds: [0]
evaluation: {samples: 30, draws: 2, batch: 8}
floor: {pairs: 2}
metrics: {sliced-w2: {metric: {name: sliced-w2, projections: 10}}}
"""


class _Kept(Lead):
    """A lead whose members stay for the next job: starting them takes seconds."""

    def close(self) -> None:
        self.is_together = False

    def really_close(self) -> None:
        super().close()


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    folder = tmp_path_factory.mktemp("board") / "tiny"
    folder.mkdir()
    (folder / "board.yaml").write_text(BOARD)
    return {cell.method_name: cell for cell in load_board(folder).cells}


@pytest.fixture(scope="module")
def runs_of(tmp_path_factory, cells):
    """The runs folder of a number of devices, in which cells are run."""
    leads: dict[int, _Kept] = {}
    folders: dict[int, RunsFolder] = {}

    def run(devices: int, *names: str) -> RunsFolder:
        runs = folders.setdefault(devices, RunsFolder(tmp_path_factory.mktemp(f"on-{devices}")))
        with pytest.MonkeyPatch.context() as patch:
            if devices > 1:
                lead = leads.setdefault(devices, _Kept(devices, "cpu"))
                patch.setattr(jobs, "crew_of", lambda *_, **__: lead)
            for name in names:
                jobs.run_cell(cells[name], runs, dataclasses.replace(JobOptions("cpu"), devices=devices))
        return runs

    yield run
    for lead in leads.values():
        lead.really_close()


def expect_the_same(cell, one: RunsFolder, several: RunsFolder, devices: int) -> None:
    records = [load_record(record_path(cell, runs)) for runs in (one, several)]
    assert [record.reason for record in records] == ["", ""]
    first, second = (record.costs.model_dump() for record in records)
    for measured in [name for name in (*first, *second) if name.startswith("seconds") or name == "peak_memory_bytes"]:
        first.pop(measured, None)
        second.pop(measured, None)
    assert first == second
    assert records[0].selected_images == records[1].selected_images
    assert [record.environment.get("devices", 1) for record in records] == [1, devices]
    weights = [state_dicts.load(runs.stage("finetune", cell.finetune_key) / "weights.safetensors") for runs in (one, several)]
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, rtol=1e-5, atol=1e-6)
    samples = [state_dicts.load(runs.stage("sample", cell.sample_key) / SAMPLES) for runs in (one, several)]
    for name, value in samples[0].items():
        torch.testing.assert_close(samples[1][name], value, rtol=1e-4, atol=1e-5)


def test_a_cell_on_two_devices_is_that_of_one(cells, runs_of):
    one, two = runs_of(1, "ddo"), runs_of(2, "ddo")
    expect_the_same(cells["ddo"], one, two, 2)


def test_all_devices_draw_the_points_of_a_training_that_rows_share(cells, runs_of, monkeypatch):
    one, drawn, draw = runs_of(1, "neon"), [], drawing.draw_decoded

    def noted(*args, **named):
        if named["purpose"] == "selection":
            drawn.append(named["indices"])
        return draw(*args, **named)

    monkeypatch.setattr(drawing, "draw_decoded", noted)
    two = runs_of(2, "neon")
    assert drawn == [range(8), range(16, 24)] * 3  # of four batches every second, at the start and at two points
    expect_the_same(cells["neon"], one, two, 2)
    curves = [load_record(record_path(cells["neon"], runs)).curve for runs in (one, two)]
    assert [point.value for point in curves[1]] == pytest.approx([point.value for point in curves[0]], rel=1e-4)


@pytest.mark.long
@pytest.mark.parametrize("name", ["mle", "ddo", "online", "neon", "sft-pg"])
@pytest.mark.parametrize("devices", [2, 3])
def test_a_cell_on_several_devices_is_that_of_one(cells, runs_of, name, devices):
    expect_the_same(cells[name], runs_of(1, name), runs_of(devices, name), devices)


def members() -> list[psutil.Process]:
    """Return the processes that help this one, the newest last: numbers of processes begin anew at some time."""
    found = [child for child in psutil.Process().children() if "crew_member" in " ".join(child.cmdline())]
    return sorted(found, key=psutil.Process.create_time)


@pytest.mark.parametrize(("before", "after"), [(2, 1), pytest.param(3, 2, marks=pytest.mark.long)])
def test_a_cell_that_loses_a_process_ends_and_goes_on_with_another_number(cells, runs_of, tmp_path, monkeypatch, before, after):
    cell, runs, written = cells["ddo"], RunsFolder(tmp_path / "runs"), []
    kept = len(members())
    write = checkpoint.write

    def write_and_kill(folder, saved):
        path = write(folder, saved)
        if folder == runs.work("finetune", cell.finetune_key):
            written.append(saved.step)
        if len(written) == 4:
            os.kill(members()[-1].pid, signal.SIGKILL)
        return path

    monkeypatch.setattr(checkpoint, "write", write_and_kill)
    result = jobs.run_cell(cell, runs, JobOptions("cpu", checkpoint_seconds=0.0, devices=before))
    assert (result.outcome, result.message.partition(" was ")[2]) == ("lost", "killed by SIGKILL (out of memory?)")
    assert len(members()) == kept
    assert not record_path(cell, runs).exists()
    monkeypatch.undo()
    begun = []
    read = checkpoint.read_newest
    monkeypatch.setattr(checkpoint, "read_newest", lambda folder: begun.append(read(folder)) or begun[-1])
    assert jobs.run_cell(cell, runs, JobOptions("cpu", devices=after)) == FINISHED
    assert begun[-1].step == written[-1]
    expect_the_same(cell, runs_of(1, "ddo"), runs, after)
