"""`harness run`: a plan before, a table after, and what failed."""

import dataclasses
import json
import os

import pytest
from in_process import run_in_this_process
from pydantic import Field

from harness.components import Executor
from harness.config import Config
from harness.errors import UserError
from harness.plugins import registry
from harness.process import devices
from harness.stages import jobs, metrics
from harness.store.records import load_record, save_record

TINY = """\
title: Tiny
dataset: {name: swiss-roll, train_size: 100}
bases:
  ddpm:
    model: {name: ddpm-mlp, steps: 2, width: 8}
    pretrain: {method: mle, training: {images: 32, batch: 16}}
methods: {none: , mle: }
training: {images: 32, batch: 16}
seeds: [0, 1]
evaluation: {samples: 20, batch: 20}
floor: {pairs: 2}
metrics: {sliced-w2: {metric: {name: sliced-w2, projections: 10}}}
"""


@pytest.fixture
def tiny(shell, monkeypatch):
    """A shell with a board that runs in this process in a second: in jobs that start no process."""

    run_in_this_process(monkeypatch)
    (shell.folder / "board.yaml").write_text(TINY)
    return shell


def test_a_run_ends_with_the_table_on_stdout_and_progress_on_stderr(tiny):
    done = tiny("run", "leaderboards/small")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].startswith("| Base ")
    assert len([line for line in done.stdout.splitlines() if "| ddpm" in line]) == 2
    remark, *lines = done.stderr.splitlines()
    assert remark.startswith("ddpm: cells share the seed 0 with the pretraining of their base")
    assert [line.split("]")[0] for line in lines[:6]] == [f"[{ended}/6" for ended in range(1, 7)]
    assert lines[-1].startswith("wrote runs/boards/small/")
    again = tiny("run", "leaderboards/small")
    assert again.stdout == done.stdout
    assert not [line for line in again.stderr.splitlines() if line.startswith("[")]  # nothing was left to run


def test_only_and_seeds_run_some_cells(tiny):
    done = tiny("run", "leaderboards/small", "--only", "method=none", "--seeds", "1", "--json")
    assert done.returncode == 0, done.stderr
    assert "ddpm/none/s1: done" in done.stderr
    assert "s0" not in done.stderr
    assert "mle" not in done.stderr
    assert json.loads(done.stdout)
    assert "2 cells: 1 done, 1 to run" in tiny("run", "leaderboards/small", "--only", "method=none", "--dry-run").stdout


def test_a_smoke_run_says_that_its_numbers_mean_nothing_and_is_kept_apart(tiny):
    done = tiny("run", "leaderboards/small", "--smoke", "--only", "method=none")
    assert done.returncode == 0, done.stderr
    assert "a smoke run, with tiny budgets, networks and samplers: these numbers mean nothing" in done.stderr
    assert "2 to run" in tiny("run", "leaderboards/small", "--only", "method=none", "--dry-run").stdout


def test_a_cell_or_a_floor_that_failed_is_named_and_exit_1(tiny, monkeypatch):
    def broken(*_):
        raise RuntimeError("no second draw")

    with monkeypatch.context() as patched:
        patched.setattr(metrics, "run", broken)
        patched.setattr(metrics, "floor", broken)
        done = tiny("run", "leaderboards/small", "--only", "method=none", "--seeds", "0")
    assert done.returncode == 1
    assert "| ddpm" in done.stdout  # the table is printed all the same
    failed = [line for line in done.stderr.splitlines() if line.startswith("failed: ")]
    assert failed[0].startswith("failed: ddpm/none/s0: RuntimeError: no second draw")
    assert failed[1:] == ["failed: floor sliced-w2: see the message above"]
    assert tiny("run", "leaderboards/small", "--only", "method=none", "--seeds", "0").returncode == 0


def test_a_dry_run_says_what_would_run_and_writes_nothing(shell):
    done = shell("run", "leaderboards/small", "--dry-run", "--only", "method=ddo,mle", "--seeds", "1")
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "2 cells: 2 to run; 1 base to train; 1 floor to measure",
        "  to run    ddpm/mle/s1",
        "  to run    ddpm/ddo/s1",
        "  to train  base ddpm",
        "  to run    floor sliced-w2",
        "no estimate: no such cell has run yet",
    ]
    assert not shell.runs.root.exists()


def test_a_dry_run_says_that_nothing_can_be_written_into_the_runs_folder(shell, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, _: str(path) != str(shell.runs.root))
    shell.runs.root.mkdir()
    done = shell("run", "leaderboards/small", "--dry-run")
    assert done.returncode == 0
    assert done.stdout.startswith("6 cells: 6 to run")
    assert "a run would stop: " in done.stderr
    assert "runs: not writable; choose another folder with --runs-dir" in done.stderr


def test_a_dry_run_refuses_another_file_under_a_path_as_the_run_does(shell, monkeypatch):
    def refuse(board, runs):
        raise UserError(f"{board.name}: another file than that of {runs.root}")

    monkeypatch.setattr("harness.run.setting_paths.checked", refuse)
    for options in ((), ("--dry-run",)):
        done = shell("run", "leaderboards/small", *options)
        assert (done.returncode, done.stdout) == (2, "")
        assert "small: another file than that of " in done.stderr


def test_a_dry_run_finds_what_would_stop_a_run(shell, monkeypatch):
    def fails(config, spec):
        raise ValueError("no such width")

    board = shell.folder / "board.yaml"
    with monkeypatch.context() as patched:
        patched.setattr("harness_ddpm.model.build", fails)
        done = shell("run", "leaderboards/small", "--dry-run")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        2,
        "error: base ddpm: model ddpm-mlp cannot be built with these settings on data of shape (2,): ValueError: no such width",
    )
    assert "ddpm/mle/s0" in done.stdout, "the plan stands above the fault"
    board.write_text("""title: Small
dataset: digits
bases: {edm: {model: edm-unet, pretrain: {method: mle, training: {images: 1280}}}}
methods: {none: }
evaluation: {samples: 5000}
metrics: {w2: }
""", encoding="utf-8")  # fmt: skip
    done = shell("run", "leaderboards/small", "--dry-run")
    fault = "dataset digits gives 448 held-out examples a draw at most, and 5000 are asked for: lower evaluation.samples or sizes"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"error: leaderboards/small/board.yaml:5: {fault}\n")


def test_a_dry_run_estimates_from_what_such_cells_took(filled):
    filled.record("ddpm/ddo/s1").unlink()
    done = filled("run", "leaderboards/small", "--dry-run")
    assert done.stdout.splitlines()[0] == "6 cells: 5 done, 1 to run; 1 base to train"
    assert "floor" not in done.stdout  # it is measured
    assert done.stdout.splitlines()[-1].startswith("about 4 s with ")  # 3.2 + 0.4 + 0.5, as the other seed took
    filled.floor().unlink()
    done = filled("run", "leaderboards/small", "--dry-run")
    assert done.stdout.splitlines()[0] == "6 cells: 5 done, 1 to run; 1 base to train; 1 floor to measure"
    assert done.stdout.splitlines()[-1].endswith("; the pretraining of bases and floors come on top")


def test_a_dry_run_gives_json_too(filled):
    filled.record("ddpm/ddo/s1").unlink()
    cells = json.loads(filled("run", "leaderboards/small", "--dry-run", "--json").stdout)
    assert [cell["state"] for cell in cells] == ["done"] * 5 + ["to run"]
    base = filled.board.cells[-1].base
    assert cells[-1] == {
        "cell": "ddpm/ddo/s1", "state": "to run", "reason": "", "seconds": pytest.approx(4.1),
        "key": filled.board.cells[-1].key, "changed": [],
        "bases_to_train": [{"base": "ddpm", "key": base.key, "seconds": None}],
    }  # fmt: skip


def test_published_records_count_as_done_where_the_user_says_so(filled):
    assert filled("publish", "leaderboards/small").returncode == 0
    for path in [*filled.runs.records("small").glob("*.json")]:
        path.unlink()
    done = filled("run", "leaderboards/small", "--keep-published", "--dry-run")
    assert done.stdout.splitlines()[0] == "6 cells: 6 done"
    assert done.stderr.splitlines()[-1] == f"7 published records would be copied into {filled.runs.root} and taken as done"
    assert not list(filled.runs.records("small").glob("*.json"))  # a dry run writes nothing
    assert filled("run", "leaderboards/small", "--dry-run").stdout.splitlines()[0].startswith("6 cells: 6 to run")
    # A copy has no weights and samples: it is refused before anything is copied, by a dry run as by a run.
    remeasuring = ("run", "leaderboards/small", "--keep-published", "--remeasure", "method=ddo,seed=1")
    for refused in (filled(*remeasuring, "--dry-run"), filled(*remeasuring)):
        assert (refused.returncode, refused.stdout) == (2, "")
        assert (
            "--remeasure: ddpm/ddo/s1 cannot be measured anew, since its samples and weights and base are not in"
            in refused.stderr
        )
        assert not list(filled.runs.records("small").glob("*.json"))
    ran = filled("run", "leaderboards/small", "--keep-published")
    assert ran.returncode == 0, ran.stderr
    assert f"7 published records copied into {filled.runs.root} and taken as done" in ran.stderr
    refused = filled("run", "leaderboards/small", "--keep-published", "--smoke")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "--keep-published: there are no published records of smoke runs; leave one of the two out" in refused.stderr


def test_collect_refuses_what_it_would_leave_without_effect(filled):
    refused = filled("run", "leaderboards/small", "--collect", "--dry-run", "--fresh", "method=nonsense")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "--collect runs nothing, and only writes down what is there: leave out --dry-run, --fresh" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["leaderboards/smal"], "did you mean 'leaderboards/small'?"),
        (["leaderboards/small", "--only", "method=dod"], "did you mean 'ddo'?"),
        (["leaderboards/small", "--only", "metod=ddo"], "did you mean 'method'?"),
        (["leaderboards/small", "--only", "seed=0-1"], "matches '0-1'; write seed=0,1; there are: 0, 1"),
        (["leaderboards/small", "--seeds", "0-1"], "without ranges: --seeds 0,1"),
        (["leaderboards/small", "--executor", "locall"], "did you mean 'local'?"),
        (["leaderboards/small", "--executor", "locall", "--dry-run"], "did you mean 'local'?"),
        (
            ["leaderboards/small", "--set", "local.queue=long"],
            "executor local: queue: no setting is called 'queue'; did you mean 'reuse'? there are: reuse",
        ),
        (
            ["leaderboards/small", "--set", "ray.queue=long"],
            "--set ray: neither the executor, which is local, nor a tracker of this run (none)",
        ),
        (["leaderboards/small", "--set", "queue=long"], "--set queue=long: write NAME.KEY=VALUE"),
        (["leaderboards/small", "--device", "gpu"], "--device gpu: there are auto, cpu, cuda and cuda:N"),
        (["leaderboards/small", "--device", "cuda:99"], "--device cuda:99: PyTorch sees"),
    ],
)
def test_a_wrong_name_is_told_the_nearest(shell, arguments, message):
    done = shell("run", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert message in done.stderr


def test_every_fault_of_the_board_is_a_line_with_its_place(shell):
    board = shell.folder / "board.yaml"
    board.write_text(board.read_text().replace("mle: , ddo", "mel: , dod").replace("swiss-roll", "roll"))
    done = shell("run", "leaderboards/small")
    assert (done.returncode, done.stdout) == (2, "")
    assert [line.partition(": no ")[0] for line in done.stderr.splitlines()] == [
        "error: leaderboards/small/board.yaml:2",
        "error: leaderboards/small/board.yaml:5",
        "error: leaderboards/small/board.yaml:5",
    ]
    assert "did you mean 'ddo'?" in done.stderr


def test_a_failed_record_is_tried_again(filled):
    path = filled.record("ddpm/none/s0")
    save_record(load_record(path).model_copy(update={"status": "failed", "reason": "no room"}), path)
    assert "  failed    ddpm/none/s0   no room" in filled("run", "leaderboards/small", "--dry-run").stdout.splitlines()


class QueueConfig(Config):
    hours: int = Field(1, ge=1, description="time limit")


def test_settings_of_an_executor_are_checked_and_reach_it(tiny, monkeypatch):
    provided = registry().provided("executor", "local", where="")
    queue = dataclasses.replace(provided.component, config=QueueConfig)
    monkeypatch.setitem(registry()._components["executor"], "local", dataclasses.replace(provided, component=queue))
    got = []
    create = Executor.create
    monkeypatch.setattr(Executor, "create", lambda *arguments: got.append(arguments[1]) or create(*arguments))
    cell = ("run", "leaderboards/small", "--only", "method=none", "--seeds", "0")
    refused = tiny(*cell, "--set", "local.hours=0")
    assert (refused.returncode, refused.stdout, got) == (2, "", [])
    assert refused.stderr.startswith("error: --executor: executor local: hours: ")
    assert tiny(*cell, "--set", "local.hours=7").returncode == 0
    assert got == [QueueConfig(hours=7)]


def test_as_many_cells_run_at_once_as_there_are_cards(filled, monkeypatch):
    filled.record("ddpm/ddo/s1").unlink()
    monkeypatch.setattr(devices, "slots", lambda name, _: {"auto": 3, "cpu": 5}[name])
    dry = ("run", "leaderboards/small", "--dry-run")
    assert "with 3 jobs" in filled(*dry).stdout
    assert "with 5 jobs" in filled(*dry, "--device", "cpu").stdout
    assert "with 2 jobs" in filled(*dry, "--jobs", "2").stdout


def test_cells_that_left_no_record_are_no_success(tiny, monkeypatch):
    monkeypatch.setattr(jobs, "save_record", lambda *_: None)
    done = tiny("run", "leaderboards/small", "--only", "method=none", "--seeds", "0")
    assert done.returncode == 1
    assert "failed: ddpm/none/s0: it left no record; run again" in done.stderr.splitlines()
