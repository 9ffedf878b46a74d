"""`harness status`: every cell by its state, what must run first, and what runs now."""

import json
import os
import re
import threading
import time

from harness.process.host import here
from harness.store.commands import file_of, registered, this_command
from harness.store.progress import Reporter
from harness.store.records import load_record, save_record


def change(path, **fields):
    save_record(load_record(path).model_copy(update=fields), path)


def test_cells_stand_by_state_with_their_reasons(filled):
    filled.record("ddpm/ddo/s1").unlink()
    change(filled.record("ddpm/mle/s0"), status="diverged", reason="loss is nan")
    change(filled.record("ddpm/none/s1"), status="failed", reason="no room")
    done = filled("status", "leaderboards/small")
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "6 cells: 3 done, 1 to run, 1 diverged, 1 failed",
        "  to run    ddpm/ddo/s1",
        "  failed    ddpm/none/s1   no room",
        "  diverged  ddpm/mle/s0   loss is nan",
        "  done      ddpm/none/s0",
        "  done      ddpm/mle/s1",
        "  done      ddpm/ddo/s0",
        "nothing runs now",
    ]


def test_json_has_the_cells_and_what_runs(filled):
    content = json.loads(filled("status", "leaderboards/small", "--json").stdout)
    assert [cell["state"] for cell in content["cells"]] == ["done"] * 6
    assert [cell["key"] for cell in content["cells"]] == [cell.key for cell in filled.board.cells]
    assert content["running"] == []


def test_what_runs_now_is_shown(filled):
    reporter = Reporter(filled.runs, "ddpm/ddo/s1")
    reporter.stage("finetune")
    try:
        done = filled("status", "leaderboards/small")
        content = json.loads(filled("status", "leaderboards/small", "--json").stdout)
    finally:
        reporter.end()
    where = f"({here().name}, process {os.getpid()})"
    assert done.stdout.splitlines()[-2:] == ["running now:", f"  ddpm/ddo/s1  finetune  0 s  {where}"]
    (running,) = content["running"]
    assert (running["job"], running["pid"]) == ("ddpm/ddo/s1", os.getpid())


def test_speed_time_left_machine_and_job_id_are_shown(filled, monkeypatch):
    monkeypatch.setattr("harness.process.worker._job_id", "4711_3")
    monkeypatch.setenv("HARNESS_HOST", "node3")
    monkeypatch.setenv("HARNESS_BEAT_SECONDS", "0.01")
    filled.record("ddpm/ddo/s1").unlink()
    reporter = Reporter(filled.runs, "ddpm/ddo/s1")
    reporter.stage("finetune")
    try:
        for step in (100, 200):
            time.sleep(0.1)
            reporter.step(step, 1000, {}, images_per_step=64)
        lines = filled("status", "leaderboards/small").stdout.splitlines()
    finally:
        reporter.end()
    assert "  running   ddpm/ddo/s1" in lines
    assert re.fullmatch(
        r"  ddpm/ddo/s1  finetune  200/1000  [\d.,e+]+ images/s  \d+ s, \d+ s left"
        rf"  \(node3, process {os.getpid()}, job 4711_3\)",
        lines[-1],
    )


def test_runs_at_work_and_dead_runs_are_shown(filled):
    keys = [cell.key for cell in filled.board.cells]
    own = this_command("small", filled.runs, keys, {"executor": "slurm", "is_detached": True})
    with registered(own, filled.runs):
        (line,) = [line for line in filled("status", "leaderboards/small").stdout.splitlines() if line.startswith("a run ")]
        (run,) = json.loads(filled("status", "leaderboards/small", "--json").stdout)["runs"]
        text = file_of(own.id, filled.runs).read_text()
    assert line.startswith(f"a run is at work: process {os.getpid()} on {own.host}, executor slurm, started ")
    assert line.endswith(f"; its output: runs/commands/{own.id}.log")
    assert (run["is_at_work"], run["executor"]) == (True, "slurm")
    file_of(own.id, filled.runs).write_text(text)
    (line,) = [line for line in filled("status", "leaderboards/small").stdout.splitlines() if line.startswith("a run ")]
    assert line.startswith("a run has died: ")


def test_watching_ends_with_the_runs_and_tells_each_change(filled):
    done = filled("status", "leaderboards/small", "--watch")
    assert done.stdout.splitlines() == ["6 cells: 6 done"] * 2 + ["nothing runs now"]
    kept = filled.record("ddpm/ddo/s1").read_bytes()
    filled.record("ddpm/ddo/s1").unlink()
    own = this_command("small", filled.runs, [], {})

    def work():
        with registered(own, filled.runs):
            working.set()
            time.sleep(1.5)
            filled.record("ddpm/ddo/s1").write_bytes(kept)
            time.sleep(1.5)

    working = threading.Event()
    thread = threading.Thread(target=work)
    thread.start()
    working.wait()
    done = filled("status", "leaderboards/small", "--watch")
    thread.join()
    assert [line for line in done.stdout.splitlines() if not line.startswith("a run ")] == [
        "6 cells: 5 done, 1 to run", "ddpm/ddo/s1: done", "6 cells: 6 done", "nothing runs now",
    ]  # fmt: skip


def test_what_is_watched_is_no_json(filled):
    assert "--watch" in filled("status", "leaderboards/small", "--watch", "--json").stderr


def test_smoke_runs_are_kept_apart(filled):
    assert filled("status", "leaderboards/small", "--smoke").stdout.splitlines()[0] == "3 cells: 3 to run"


def test_the_runs_folder_is_an_option_or_in_the_environment(filled, tmp_path):
    assert "6 to run" in filled("status", "leaderboards/small", "--runs-dir", tmp_path / "other").stdout
    assert "6 to run" in filled("status", "leaderboards/small", HARNESS_RUNS=str(tmp_path / "other")).stdout
