import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from in_process import BOARD, command, run_in_this_process, write_board

from harness.board.reading.chosen_settings import read_chosen
from harness.board.reading.load import load_board
from harness.errors import UserError

FAKES = Path(__file__).parents[1] / "fakes"
SEARCH = """\
search:
  ddo:
    method: ddo
    bases: small
    space: {beta: {low: 0.01, high: 10, log: true}, optimizer.lr: {low: 1.0e-4, high: 1.0e-2, log: true}}
    seeds: [100]
    trials: 3
    rungs: 2
    reduction: 2
    chosen: searched/ddo.yaml
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of a board with a search. Commands run their jobs in this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HARNESS_RUNS", raising=False)
    run_in_this_process(monkeypatch)
    return write_board(tmp_path / "tiny", BOARD + SEARCH)


def trials(runs):
    (file,) = Path(runs).glob("searches/tiny/ddo__small.*.json")
    return json.loads(file.read_text())["trials"]


def killed(folder, runs):
    """Start a search in another process, and kill it with SIGKILL while its second trial or a later one runs."""
    started = subprocess.Popen(
        [sys.executable, FAKES / "search_in_process.py", "search", folder, "--runs-dir", runs],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )

    def is_reached():
        asked = trials(runs) if list(Path(runs).glob("searches/tiny/*.json")) else []
        return len(asked) > 1 and asked[-1]["end"] == "running"

    try:
        while True:
            assert started.poll() is None, "it ended before the moment"
            if is_reached():
                started.send_signal(signal.SIGSTOP)
                if is_reached():
                    break
                started.send_signal(signal.SIGCONT)
            time.sleep(0.02)
    finally:
        started.send_signal(signal.SIGKILL)
        started.wait()


def comparable(of):
    """Trials without the seconds that they took."""
    return [{**trial, "cells": {key: {**cost, "seconds": 0} for key, cost in trial["cells"].items()}} for trial in of]


def test_a_plan_has_the_largest_budget_and_all_settings_of_a_round(folder):
    """At most 384 images were said, and 3,520 trained."""
    text = BOARD + SEARCH.replace(
        "optimizer.lr: {low: 1.0e-4, high: 1.0e-2, log: true}", "training.images: {choices: [256, 1024]}"
    )
    write_board(folder, text.replace("    rungs: 2\n    reduction: 2\n", ""))
    planned = command("search", folder, "--dry-run")
    assert "a trial trains on 256 up to 1,024 images for 1 seed; at most 3,072 training images" in planned.out, planned.err


def test_a_search_writes_what_the_board_then_runs(folder):
    planned = command("search", folder, "--dry-run")
    assert "ddo on small: 0 of 3 trials are over; a trial trains on 128 → 256 images for 1 seed; at most 1,152" in planned.out
    ended = command("search", folder)
    assert ended.code == 0, ended.err
    head, row = ended.out.splitlines()
    of_trials = ["search", "base", "chosen", "sliced-w2", "trials", "images", "network", "evaluations", "time"]
    assert head.split() == [*of_trials, "images", "of", "its", "own", "base"]
    assert row.startswith("ddo     small  beta ")
    assert f"wrote {folder}/searched/ddo.yaml" in ended.err
    assert "ddo on small: trial 3 of 3: beta " in ended.err
    facts = read_chosen(folder / "searched/ddo.yaml", where="file", board=folder).studies["small"]
    assert len(facts.all_trials) == facts.trials == 3
    assert facts.cost.images == sum(128 * (2 ** len(trial.values) - 1) for trial in facts.all_trials)
    assert facts.cost.pretraining_images == 128
    assert row.split()[-1] == "128"
    assert f"  {facts.cost.images:,}  " in row, "the base's images are not among those of the trials"
    assert facts.cost.network_evaluations > 0

    again = command("search", folder, "--json")
    assert [study["study"] for study in json.loads(again.out)] == [facts.study]
    assert "[1/" not in again.err, "a trial ran again"

    write_board(folder, (BOARD + SEARCH).replace("  ddo: {method", "  ddo: {settings_from: searched/ddo.yaml, method"))
    cells = {cell.method_name: cell for cell in load_board(folder).cells}
    assert cells["ddo"].method.settings.model_dump()["beta"] == facts.settings["beta"]
    ran = command("run", folder, "--only", "method=ddo")
    assert ran.code == 0, ran.err
    page = Path("runs/boards/tiny/README.md").read_text()
    assert (
        f"the best of 3 trials of a search on small ([searched/ddo.yaml](../../../tiny/searched/ddo.yaml), study `{facts.study}`"
        in page
    )
    assert "The search cost " in page


def test_a_killed_search_goes_on_and_chooses_the_same(folder):
    killed(folder, "killed")
    assert trials("killed")[-1]["end"] == "running"
    records = {path: path.stat().st_mtime_ns for path in Path("killed").glob("records/tiny/*.json")}
    assert command("search", folder, "--runs-dir", "killed").code == 0
    assert {path: path.stat().st_mtime_ns for path in records} == records, "a finished cell was made again"
    chosen = (folder / "searched/ddo.yaml").read_text()
    assert command("search", folder, "--runs-dir", "undisturbed").code == 0
    assert comparable(trials("killed")) == comparable(trials("undisturbed"))
    undisturbed = (folder / "searched/ddo.yaml").read_text()

    def without_seconds(text):
        return [line for line in text.splitlines() if "cost:" not in line and "study:" not in line]

    assert without_seconds(chosen) == without_seconds(undisturbed)


@pytest.mark.parametrize(("words", "at_once", "together"), [((), 6, 1), (("--jobs", 4), 4, 4)])
def test_jobs_of_a_file_are_cells_of_one_trial_and_those_of_the_command_line_ask_for_trials_together(
    folder, monkeypatch, words, at_once, together
):
    Path("harness.toml").write_text('jobs = 6\ntrack = "csv"\nruns_dir = "elsewhere"\n')
    asked = []

    def begun(study, runs, options, run, on_trial):
        how = run.keywords["options"]
        asked.append((str(runs.root), how.jobs, options.together(study), how.trackers))
        raise UserError("enough was seen")

    monkeypatch.setattr("harness.run.searching.search.run_search", begun)
    ended = command("search", folder, *words)
    assert ended.errors == ["error: enough was seen"]
    assert asked == [(str(Path.cwd() / "elsewhere"), at_once, together, ())]  # trials are not logged
    assert ("harness.toml: jobs = 6" in ended.err) == (not words)


def test_a_smoke_search_writes_no_file(folder):
    ended = command("search", folder, "--smoke", "--trials", 1)
    assert ended.code == 0, ended.err
    assert "no file of chosen settings was written" in ended.err
    assert not (folder / "searched").exists()


def test_wrong_input_is_one_line(folder):
    assert command("search", folder, "--only", "dod").errors == [
        "error: no search is called 'dod'; did you mean 'ddo'? there are: ddo"
    ]
    write_board(folder)
    ended = command("search", folder)
    assert (ended.code, ended.errors) == (2, [f"error: {folder}/board.yaml: no `search`; docs/search.md says how to write one"])


def test_without_optuna_nothing_runs(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    ended = command("search", folder)
    assert ended.code == 2
    assert "pip install 'finetune-harness[search]'" in ended.errors[0]
