"""Jobs as executors get them: picklable, typed, and leading to the stages."""

import pickle

import pytest

from harness.run.job_calls import BaseJob, CellJob, FloorJob, base_job, cell_job, floor_job
from harness.stages import jobs as stage_jobs
from harness.stages.job_result import FINISHED, JobResult
from harness.stages.options import JobOptions
from harness.store.runs_folder import RunsFolder

OPTIONS = JobOptions("cpu", checkpoint_seconds=7.0)


@pytest.fixture
def three_jobs(small, tmp_path):
    runs = RunsFolder(tmp_path / "runs")
    return [
        base_job(small.bases[0], runs, OPTIONS),
        floor_job(small.name, small.floors[0], runs, OPTIONS, is_smoke=True),
        cell_job(small.cells[0], runs, OPTIONS),
    ]


def test_a_job_knows_what_it_is_for(three_jobs, small):
    base, floor, cell = three_jobs
    assert isinstance(base, BaseJob)
    assert isinstance(floor, FloorJob)
    assert isinstance(cell, CellJob)
    assert [job.name for job in three_jobs] == ["base ddpm", "floor sliced-w2", "ddpm/none/s0"]
    assert (base.base, floor.floor, cell.cell) == (small.bases[0], small.floors[0], small.cells[0])


def test_function_and_arguments_survive_the_way_to_another_process(three_jobs, monkeypatch):
    called = []
    for name in ("run_base", "run_floor", "run_cell"):
        monkeypatch.setattr(stage_jobs, name, lambda *arguments, name=name: called.append((name, *arguments)) or FINISHED)
    for job in three_jobs:
        function, arguments = pickle.loads(pickle.dumps((job.function, job.arguments)))
        assert function(*arguments) is FINISHED
        assert arguments == job.arguments
    assert [call[0] for call in called] == ["run_base", "run_floor", "run_cell"]
    assert called[1][-1] is True  # a smoke run's floor is marked as one
    assert all(OPTIONS in call for call in called)


def test_an_executor_may_hand_back_a_copy_of_the_job(three_jobs):
    for job in three_jobs:
        copied = pickle.loads(pickle.dumps(job))
        assert (type(copied), copied) == (type(job), job)
    result = JobResult("refused", "no room left")
    assert pickle.loads(pickle.dumps(result)) == result


def test_a_job_names_the_modules_that_it_imports(three_jobs):
    base, floor, cell = (set(job.imports) for job in three_jobs)
    shared = {"harness.stages.jobs", "harness_toy_data.points"}
    network = {"harness_ddpm.model", "harness_ddpm.sampler", "harness_controls.mle"}
    assert base == shared | network
    assert floor == shared | {"harness_wasserstein.sliced"}
    assert cell == shared | network | {"harness_wasserstein.sliced", "harness_controls.none"}


def test_a_job_names_the_folder_that_its_machine_must_see(three_jobs, tmp_path):
    assert {job.folder for job in three_jobs} == {tmp_path / "runs"}
