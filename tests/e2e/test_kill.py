"""`kill -9` at any moment, then `run` again: what was finished is kept, and the result is the same bit for bit.

tests/store kills writers at each of their system calls; here whole runs die, in each phase and at random moments.
"""

import json
import os
import random
import shutil
import signal
import time

import psutil
import pytest

OFTEN = ("--checkpoint-seconds", "0.1")


def stages(command):
    """The stages that the processes of a run are in now."""
    found = set()
    for path in command.runs.glob("workers/*.json"):
        try:
            found.add(json.loads(path.read_text()).get("stage", ""))
        except (OSError, ValueError):
            continue  # its process has just ended, or it belongs to one that was killed
    return found - {""}  # a process that has taken a lease and has not begun


def forget(command):
    """Progress of killed processes."""
    shutil.rmtree(command.runs / "workers", ignore_errors=True)


def whole(files):
    """Files of finished outputs."""
    return {name: stamp for name, stamp in files.items() if "/." not in name}


def assert_kept(before, after):
    assert {name: after.get(name) for name in before} == before, "a finished output was made again"


@pytest.fixture
def kill_at_each(kill, wait):
    """Run a command again and again, kill it at each of some moments, and let it end at last: finished outputs stay."""

    def call(moments, command, arguments):
        kept = {}
        for moment, is_reached in moments.items():
            forget(command)
            process = command.start(*arguments)
            reached = wait(is_reached, process)
            kill(process)
            assert reached, f"no {moment} before the end"
            assert_kept(kept, command.files())
            kept = whole(command.files())
        ended = command.run(*arguments)
        assert ended.returncode == 0, ended.stderr
        assert_kept(kept, command.files())

    return call


def test_kills_in_every_phase(command, undisturbed, kill_at_each):
    one_cell = ("--only", "method=ddo", "--seeds", "1", *OFTEN)
    phases = {
        "pretraining": lambda: "base" in stages(command),
        "pretraining, with a checkpoint": lambda: list(command.runs.glob("work/base-*/step-*/manifest.json")),
        "fine-tuning, with a checkpoint": lambda: list(command.runs.glob("work/finetune-*/step-*/manifest.json")),
        "sampling": lambda: "sample" in stages(command),
        "measuring": lambda: "measure" in stages(command),
    }
    kill_at_each(phases, command, one_cell)
    expected = undisturbed.command.results()
    assert command.results() == {name: expected[name] for name in command.results()}
    assert any(name.startswith("small__ddo__s1") for name in command.results())
    assert not list(command.runs.glob("work/*/step-*"))
    assert not list(command.runs.glob("stages/*/.*")), "a killed writer's scratch files stay behind"


def test_cells_that_are_made_anew_survive_kills_with_the_same_command(finished, undisturbed, kill_at_each):
    fresh = ("--fresh", "method=ddo,seed=1", *OFTEN)
    expected = finished.results()
    old = finished.files("records/*/small__ddo__s1.*.json")
    moments = {
        "what the cell had is set aside": lambda: list(finished.runs.glob("records/*/small__ddo__s1.*.replaced-*")),
        "fine-tuning, with a checkpoint": lambda: list(finished.runs.glob("work/finetune-*/step-*/manifest.json")),
        "sampling": lambda: "sample" in stages(finished),
    }
    kill_at_each(moments, finished, fresh)
    assert finished.results() == expected == undisturbed.command.results()
    assert finished.files("records/*/small__ddo__s1.*.json") != old
    assert len(list(finished.runs.glob("records/*/*.replaced-*"))) == 1, "set aside once, and not by each command"
    assert not list(finished.runs.glob("fresh/*"))


def kill_at_random_moments(command, kill, wait, seed, kills, *cells):
    moment = random.Random(seed)
    kept = {}
    for _ in range(kills):
        forget(command)
        process = command.start("--jobs", "2", *cells, *OFTEN)
        wait(lambda: stages(command), process)  # workers have started
        time.sleep(moment.uniform(0, 2))
        kill(process)
        assert_kept(kept, command.files())
        kept = whole(command.files())
    ended = command.run("--jobs", "2", *cells, *OFTEN)
    assert ended.returncode == 0, ended.stderr
    assert " is damaged " not in ended.stderr
    assert_kept(kept, command.files())


def test_kills_at_random_moments(command, undisturbed, kill, wait):
    kill_at_random_moments(command, kill, wait, 0, 3, "--seeds", "0")
    expected = undisturbed.command.results()
    assert len(command.results()) == 5 + 2  # cells and floors
    assert command.results() == {name: expected[name] for name in command.results()}


@pytest.mark.long
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("seed", range(1, 6))
def test_many_kills_at_random_moments(command, undisturbed, kill, wait, seed):
    kill_at_random_moments(command, kill, wait, seed, kills=12)
    assert command.results() == undisturbed.command.results()


def test_workers_end_with_a_killed_parent_and_leave_nothing_in_the_way(command, undisturbed, wait):
    cells = ("--only", "method=none", "--seeds", "0", *OFTEN)
    process = command.start(*cells)
    assert wait(lambda: list(command.runs.glob("work/base-*/step-*")), process)
    workers = psutil.Process(process.pid).children(recursive=True)
    assert workers
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert not alive
    assert command.run(*cells).returncode == 0  # no lease of theirs, and no half-written output
    expected = undisturbed.command.results()
    assert command.results()
    assert command.results() == {name: expected[name] for name in command.results()}


def test_a_worker_that_is_told_to_stop_costs_no_cell(command, undisturbed, wait):
    cells = ("--only", "method=ddo", "--seeds", "0", *OFTEN)
    process = command.start(*cells)
    assert wait(lambda: list(command.runs.glob("work/finetune-*/step-*")), process)
    (worker,) = jobs_of(process)
    worker.terminate()
    _, err = process.communicate()
    assert process.returncode == 0, err
    assert "small/ddo/s0: its worker was told to stop, and this run was not; the job starts again" in err
    expected = undisturbed.command.results()
    assert command.record("small/ddo/s0")["status"] == "done"
    assert command.results() == {name: expected[name] for name in command.results()}


def jobs_of(run):
    """The processes in which the jobs of a run are: children of its fork server."""
    return [job for server in psutil.Process(run.pid).children() for job in server.children()]
