"""`harness status`: every cell by its state, what must run first, and what runs now."""

import json
import os

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
    assert done.stdout.splitlines()[-2:] == ["running now:", "  ddpm/ddo/s1  finetune  0 s"]
    (running,) = content["running"]
    assert (running["job"], running["pid"]) == ("ddpm/ddo/s1", os.getpid())


def test_smoke_runs_are_kept_apart(filled):
    assert filled("status", "leaderboards/small", "--smoke").stdout.splitlines()[0] == "3 cells: 3 to run"


def test_the_runs_folder_is_an_option_or_in_the_environment(filled, tmp_path):
    assert "6 to run" in filled("status", "leaderboards/small", "--runs-dir", tmp_path / "other").stdout
    assert "6 to run" in filled("status", "leaderboards/small", HARNESS_RUNS=str(tmp_path / "other")).stdout
