"""Busy jobs are due when their lease is free or its owner gone, and asking costs a look at one folder."""

import os
import signal
import time

import pytest
from lease_holders import Holders

from harness.process.host import VARIABLE
from harness.run import busy_jobs
from harness.run.busy_jobs import BusyJobs
from harness.run.job_calls import base_job, cell_job, floor_job
from harness.stages.options import JobOptions
from harness.store import beats
from harness.store.lease import lease
from harness.store.runs_folder import RunsFolder


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    monkeypatch.setattr(busy_jobs, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(busy_jobs, "LOOKS_A_READ", 2)
    monkeypatch.setenv(beats.VARIABLE, "0.05")


@pytest.fixture
def runs(tmp_path):
    return RunsFolder(tmp_path / "runs")


@pytest.fixture
def jobs(board, runs):
    """A job of each kind, with its lease."""
    cell, floor, options = board.cells[0], board.floors[0], JobOptions()
    return [
        (base_job(cell.base, runs, options), runs.lease("base-job", cell.base.key)),
        (floor_job(board.name, floor, runs, options, is_smoke=False), runs.lease("floor", floor.key)),
        (cell_job(cell, runs, options), runs.lease("cell", cell.key)),
    ]


@pytest.fixture
def hold():
    """Hold a lease in a process of a host. Returns: its id."""
    holders = Holders()
    yield holders.start
    holders.end()


def due_within(busy, seconds):
    end = time.monotonic() + seconds
    while not (due := busy.due()) and time.monotonic() < end:
        time.sleep(0.005)
    return due


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_a_job_is_due_when_its_lease_is_free(jobs, runs, kind):
    job, path = jobs[kind]
    busy = BusyJobs(runs)
    with lease(path, wait=False):
        busy.add(job)
        assert due_within(busy, 0.2) == []
        assert (len(busy), list(busy.jobs)) == (1, [job])
    assert due_within(busy, 5) == [job]
    assert (len(busy), busy.due()) == (0, [])


def test_a_job_whose_owner_was_killed_on_this_host_is_due(jobs, runs, hold, monkeypatch):
    monkeypatch.setenv(VARIABLE, "here")
    job, path = jobs[2]
    busy, child = BusyJobs(runs), hold(path, "here")
    busy.add(job)
    assert due_within(busy, 0.2) == []
    os.kill(child, signal.SIGKILL)
    assert due_within(busy, 5) == [job]


def test_a_job_whose_owner_on_another_host_is_silent_is_due_and_can_be_taken(jobs, runs, hold, monkeypatch):
    monkeypatch.setenv(VARIABLE, "here")
    job, path = jobs[2]
    busy, child = BusyJobs(runs), hold(path, "there")
    busy.add(job)
    assert due_within(busy, 1.0) == []
    os.kill(child, signal.SIGSTOP)
    assert due_within(busy, 10) == [job]
    with lease(path, wait=False):
        pass


@pytest.mark.parametrize("content", ["", '{"owner": "0123456789ab-1-1-000000"}'])
def test_a_lease_that_names_nobody_or_a_worker_without_a_file_is_ended_after_some_beats(jobs, runs, content):
    job, path = jobs[2]
    path.parent.mkdir(parents=True)
    path.with_name(f"{path.name}.json").write_text(content)
    busy = BusyJobs(runs)
    busy.add(job)
    assert due_within(busy, 0.1) == []
    assert due_within(busy, 10) == [job]
    assert not list(path.parent.iterdir())


def test_looks_become_rarer_where_other_hosts_share_the_folder_and_only_there(jobs, runs, hold, monkeypatch):
    monkeypatch.setenv(beats.VARIABLE, "0.3")
    looks = []
    scan = os.scandir
    monkeypatch.setattr("os.scandir", lambda folder: looks.append(folder) or scan(folder))

    def looks_within(seconds):
        busy = BusyJobs(runs)
        busy.add(jobs[2][0])
        looks.clear()
        assert due_within(busy, seconds) == []
        return len(looks)

    with lease(jobs[2][1], wait=False):
        alone = looks_within(1.0)
        monkeypatch.setenv(VARIABLE, "one of several")
        assert 2 * looks_within(1.0) < alone
