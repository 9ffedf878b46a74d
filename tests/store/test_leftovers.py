"""What killed processes left goes with the next run; what anybody may still need stays."""

import os
import time
from pathlib import Path

import pytest

from harness.process.host import VARIABLE, ProcessId, this_process
from harness.store import leftovers
from harness.store.files import scratch_path
from harness.store.lease import lease
from harness.store.runs_folder import RunsFolder
from harness.store.workers import this_worker

KEY = "0123"


@pytest.fixture
def runs(tmp_path):
    return RunsFolder(tmp_path)


def left(runs):
    return sorted(str(path.relative_to(runs.root)) for path in runs.root.rglob("*") if path.is_file())


def leave_everything(runs):
    """Leave half of all that a process writes, as if it was killed."""
    this_worker(runs.workers).use()
    held = lease(runs.lease("cell", KEY), wait=False)
    held.__enter__()
    for path in (
        runs.stage("base", KEY),
        runs.work("finetune", KEY) / "step-1" / "state",
        runs.work("features", KEY) / "rows",
        runs.record("board", "a/b/s0", KEY),
        runs.fresh("cell", KEY),
        runs.tracked("tracker", "board", "a/b/s0"),
        runs.root / "logs" / "log",
    ):
        scratch = scratch_path(path)
        scratch.parent.mkdir(parents=True, exist_ok=True)
        scratch.write_text("half")
    folder = scratch_path(runs.stage("sample", KEY))
    folder.mkdir(parents=True)
    (folder / "samples").write_text("half")
    assert len(left(runs)) == 10
    os._exit(0)


def in_a_fork(work):
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0


def test_of_a_killed_process_of_this_host_nothing_stays(runs):
    in_a_fork(lambda: leave_everything(runs))
    leftovers.remove(runs)
    assert left(runs) == []


def test_what_a_living_process_writes_stays(runs):
    with lease(runs.lease("base", KEY), wait=False):
        for path in (runs.stage("base", KEY), runs.record("board", "a/b/s0", KEY)):
            scratch = scratch_path(path)
            scratch.parent.mkdir(parents=True)
            scratch.write_text("half")
        before = left(runs)
        assert len(before) == 4
        leftovers.remove(runs)
        assert left(runs) == before


def test_what_a_process_of_another_host_left_goes_once_it_was_given_up(runs, monkeypatch):
    def elsewhere():
        os.environ[VARIABLE] = "elsewhere"
        leave_everything(runs)

    in_a_fork(elsewhere)
    before = left(runs)
    leftovers.remove(runs)
    assert left(runs) == before  # nobody knows whether it lives
    (worker,) = runs.workers.iterdir()
    worker.rename(worker.with_suffix(".gone"))
    leftovers.remove(runs)
    assert left(runs) == []


def test_a_process_that_was_given_up_and_is_at_work_again_keeps_what_it_writes(runs):
    host, pid, start = this_process()
    given_up = runs.workers / f"{ProcessId(host.identity, pid, start, 'ffffff')}.gone"
    with lease(runs.lease("base", KEY), wait=False):
        given_up.touch()
        scratch = scratch_path(runs.root / "file")
        scratch.write_text("half")
        leftovers.remove(runs)
        assert (scratch.exists(), given_up.exists()) == (True, False)


def test_results_and_outputs_stay_and_what_older_versions_left_goes(runs):
    kept = ["records/b/x.json", "stages/base/0/.hidden", "work/base-0/step-1/state", "trackers/t/.x", "smoke/leases/old.lock"]
    old = ["leases/cell-0.lock", "progress/17.json", "stages/base/.1.part/weights", "work/base-0/.step-2.part/state"]
    for name in (*kept, *old):
        (runs.root / name).parent.mkdir(parents=True, exist_ok=True)
        (runs.root / name).write_text("")
    leftovers.remove(runs)
    assert left(runs) == sorted(kept)


def test_without_a_folder_there_is_nothing_to_remove(tmp_path):
    leftovers.remove(RunsFolder(tmp_path / "none"))
    assert list(tmp_path.iterdir()) == []


def test_a_look_at_many_outputs_takes_no_time(runs):
    for number in range(2000):
        (runs.stage("sample", f"{number}")).mkdir(parents=True)
    began = time.perf_counter()
    leftovers.remove(runs)
    assert time.perf_counter() - began < 1.0
    assert Path(runs.stage("sample", "0")).is_dir()


def test_half_written_files_of_dead_processes_go_from_a_board_s_folders_and_no_others(tmp_path):
    results, absent = tmp_path / "results", tmp_path / "plots"
    results.mkdir()
    in_a_fork(lambda: (scratch_path(results / "a.json").write_text("half"), os._exit(0)))
    mine = scratch_path(results / "b.json")
    mine.write_text("half")
    (results / ".gitkeep").touch()
    assert len(os.listdir(results)) == 3
    leftovers.remove_from(results, absent)
    assert sorted(os.listdir(results)) == sorted([mine.name, ".gitkeep"])
