"""The executor `slurm` on a real cluster, which the test starts on this machine as root: slurmctld, two nodes, no accounting."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import slurm_jobs
from slurm_cluster import absent, slurm_cluster, wait_until

import harness_slurm
from harness.interfaces import Job, Resources
from harness.process import stop
from harness.store.records import load_floor, load_record
from harness.testing.executors import check_executor
from harness_slurm.executor import SlurmExecutor
from harness_slurm.settings import SlurmConfig

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]
ROOT = Path(__file__).resolve().parents[2]
FAKES = ROOT / "tests" / "fakes"
SETTINGS = {"poll_seconds": 1.0, "hours": 0.5}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    if reason := absent():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("slurm")
    with pytest.MonkeyPatch.context() as patched:
        path = os.pathsep.join([str(ROOT), str(ROOT / "plugins"), str(FAKES), os.environ.get("PYTHONPATH", "")])
        patched.setenv("PYTHONPATH", path)
        with slurm_cluster(folder) as started:
            yield started


class Plan:
    """Hands out a job, again where it is lost, and notes its ends."""

    def __init__(self, *jobs):
        self.jobs, self.ends, self.left = list(jobs), [], len(jobs)

    def ready(self, ends):
        self.ends += ends
        self.jobs += [end.job for end in ends if end.is_lost]
        self.left -= sum(not end.is_lost for end in ends)
        jobs, self.jobs = self.jobs, []
        return jobs if self.left else None


@pytest.fixture
def start(cluster, tmp_path):
    """Run jobs with the executor in a thread. Returns: the plan, and a function that waits for its end."""

    def start(*jobs, **settings):
        plan, slurm = Plan(*jobs), SlurmExecutor(SlurmConfig(**{**SETTINGS, **settings}))
        slurm.take_folder(tmp_path / "executor")
        thread = threading.Thread(target=slurm.run, args=(plan.ready,), kwargs={"slots": 100}, daemon=True)
        thread.start()

        def end():
            thread.join(600)
            assert not thread.is_alive()
            return plan.ends

        return end

    stop.clear()
    yield start
    stop.clear()


def job(function, folder, **options):
    return Job("job", function, (str(folder),), key=f"job/{folder}", **options)


def running(cluster):
    """Return the ids of jobs that run."""
    return [job_id for job_id, state in cluster.jobs().items() if state == "RUNNING"]


def has_begun(folder, times=1):
    return lambda: slurm_jobs.starts(folder) >= times


def test_it_conforms(cluster):
    (component,) = harness_slurm.harness_executors()
    check_executor(component, config=component.config(**SETTINGS))


def records(runs):
    """Return all of each record that must not depend on where it was made, by the record's file."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted((runs / "smoke" / "records").rglob("*.json")):
        if path.name.startswith("floor__"):
            found[path.name] = (load_floor(path).values,)
        else:
            record = load_record(path)
            values = {name: measured.values for name, measured in record.metrics.items()}
            found[path.name] = (record.status, values, record.weights_sha256, record.samples_sha256)
    return found


def harness_run(runs, *arguments, check=True):
    command = [sys.executable, "-m", "harness", "run", "leaderboards/quickstart", "--smoke", "--runs-dir", str(runs), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=1500)
    assert not check or done.returncode == 0, done.stderr
    return done


def test_quickstart_has_the_records_that_local_makes_bit_for_bit(cluster, tmp_path):
    set_poll = ["--set", "slurm.poll_seconds=1"]
    harness_run(tmp_path / "slurm", "--executor", "slurm", *set_poll)
    ids = set(cluster.jobs())
    harness_run(tmp_path / "local", "--executor", "local", "--jobs", "2")
    assert len(records(tmp_path / "local")) > 6
    assert records(tmp_path / "slurm") == records(tmp_path / "local")
    again = harness_run(tmp_path / "slurm", "--executor", "slurm", *set_poll)
    assert again.returncode == 0
    assert set(cluster.jobs()) <= ids  # what is done needs no job, bases included; Slurm forgets old jobs


def test_a_job_that_somebody_cancels_says_so_and_is_not_tried_again(cluster, start, tmp_path):
    end = start(job(slurm_jobs.until_killed, tmp_path))
    wait_until(has_begun(tmp_path), "the job runs", 300)
    (job_id,) = running(cluster)
    cluster.ask("scancel", job_id)
    (ended,) = end()
    assert (ended.death, ended.is_lost) == (f"somebody cancelled its job in the queue (scancel): job {job_id}", False)
    assert slurm_jobs.starts(tmp_path) == 1


def test_a_job_with_a_state_that_somebody_cancels_does_not_go_back_into_the_queue(cluster, start, tmp_path):
    end = start(job(slurm_jobs.until_second_start, tmp_path))
    wait_until(has_begun(tmp_path), "the job runs", 300)
    (job_id,) = running(cluster)
    cluster.ask("scancel", job_id)
    (ended,) = end()
    assert ended.death == f"somebody cancelled its job in the queue (scancel): job {job_id}"
    assert cluster.jobs()[job_id] == "CANCELLED"


def test_a_job_whose_time_limit_strikes_goes_on_under_the_same_id(cluster, start, tmp_path):
    before = set(cluster.jobs())
    end = start(job(slurm_jobs.until_second_start, tmp_path, resources=Resources(hours=1 / 60)), save_seconds=10)
    wait_until(has_begun(tmp_path), "the job runs", 300)
    (job_id,) = running(cluster)
    (ended,) = end()
    assert ended.value.startswith("went on at start")  # on a busy machine, starting takes most of a minute: it may strike again
    assert set(cluster.jobs()) - before == {job_id}


@pytest.mark.parametrize("name", ["TERM", "USR1"])
def test_a_job_that_the_cluster_tells_to_go_goes_back_into_the_queue(cluster, start, tmp_path, name):
    end = start(job(slurm_jobs.until_second_start, tmp_path))
    wait_until(has_begun(tmp_path), "the job runs", 300)
    (job_id,) = running(cluster)
    cluster.ask("scancel", f"--signal={name}", job_id)
    (ended,) = end()
    assert ended.value == "went on at start 2"
    assert cluster.jobs()[job_id] == "COMPLETED"


def test_a_job_whose_node_is_set_down_runs_again_and_the_node_comes_back(cluster, start, tmp_path):
    end = start(job(slurm_jobs.until_killed, tmp_path))
    wait_until(has_begun(tmp_path), "the job runs", 300)
    (job_id,) = running(cluster)
    node = cluster.ask("squeue", "-h", "-j", job_id, "-o", "%N").strip()
    cluster.ask("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
    wait_until(lambda: job_id not in running(cluster), "the job has left the node")
    cluster.ask("scontrol", "update", f"nodename={node}", "state=resume")
    (ended,) = end()
    assert ended.value == "went on at start 2"
    wait_until(lambda: cluster.idle() == set(cluster.nodes), "the node is back")


COMMAND = """
import sys
from harness.interfaces import Job
from harness_slurm.executor import SlurmExecutor
from harness_slurm.settings import SlurmConfig
import slurm_jobs
slurm = SlurmExecutor(SlurmConfig(poll_seconds=1.0, hours=0.5))
from pathlib import Path
slurm.take_folder(Path(sys.argv[1]))
jobs = [[Job("job", slurm_jobs.until_released, (sys.argv[2],), key="job/" + sys.argv[2])]]
slurm.run(lambda ends: jobs.pop() if jobs else [], slots=1)
"""


def test_a_command_finds_the_jobs_of_one_that_was_killed(cluster, start, tmp_path):
    command = subprocess.Popen([sys.executable, "-c", COMMAND, str(tmp_path / "executor"), str(tmp_path)])
    wait_until(has_begun(tmp_path), "the job runs", 300)
    command.send_signal(signal.SIGKILL)
    command.wait()
    before = set(cluster.jobs())
    end = start(job(slurm_jobs.until_released, tmp_path))
    time.sleep(5)
    (tmp_path / "release").touch()
    (ended,) = end()
    assert ended.value == "released"
    assert slurm_jobs.starts(tmp_path) == 1
    assert set(cluster.jobs()) <= before
    (plan,) = (tmp_path / "executor").glob("*/plan.json")
    assert json.loads(plan.read_text())["keys"] == [f"job/{tmp_path}"]


BOARD = """\
title: Queued
dataset: {name: swiss-roll, train_size: 1000}
bases:
  small:
    model: {name: ddpm-mlp, steps: 4, width: 32}
    pretrain: {method: mle, training: {images: 25600, batch: 64}}
training: {images: IMAGES, batch: 64}
methods: {mle: {}}
seeds: SEEDS
evaluation: {samples: 200, batch: 200}
metrics: {sliced-w2: {}}
"""


class Runs:
    """A board, and commands on it that run in the background, each on a "host" of its own."""

    def __init__(self, folder, images, seeds):
        self.folder, self.runs = folder, folder / "runs"
        (folder / "queued").mkdir()
        text = BOARD.replace("IMAGES", str(images)).replace("SEEDS", str(list(range(seeds))))
        (folder / "queued" / "board.yaml").write_text(text)
        self.started = []

    def start(self, host):
        log = (self.folder / f"{host}.log").open("w")
        options = ("--executor", "slurm", "--set", "slurm.poll_seconds=1", "--checkpoint-seconds", "0.1")
        self.started.append(
            subprocess.Popen(self._line("run", *options), env=self._variables(host), stdout=log, stderr=log, cwd=self.folder)
        )
        log.close()
        return self.started[-1]

    def call(self, *words, host="login"):
        return subprocess.run(
            self._line(*words), env=self._variables(host), cwd=self.folder, capture_output=True, text=True, check=True
        )

    def _line(self, command, *options):
        return [sys.executable, "-m", "harness", command, "queued", "--runs-dir", str(self.runs), *options]

    def _variables(self, host):
        return {**os.environ, "HARNESS_HOST": host, "HARNESS_BEAT_SECONDS": "1", "OMP_NUM_THREADS": "1"}

    def said(self, host):
        return (self.folder / f"{host}.log").read_text()

    def records(self):
        return [load_record(path) for path in (self.runs / "records").rglob("*.json") if not path.name.startswith("floor__")]


@pytest.fixture
def queued(cluster, tmp_path):
    made = []

    def make(*, images, seeds):
        made.append(Runs(tmp_path, images, seeds))
        return made[0]

    yield make
    for process in made[0].started:
        process.kill()
        process.wait()
    cluster.ask("scancel", *cluster.jobs())


def test_a_command_on_another_host_follows_and_takes_over_when_the_first_dies(cluster, queued):
    runs = queued(images=6400, seeds=2)
    before = set(cluster.jobs())
    first = runs.start("login1")
    wait_until(lambda: set(running(cluster)) - before, "a job runs", 300)
    second = runs.start("login2")
    follows = "a run of these cells is at work"
    wait_until(lambda: follows in runs.said("login2") or second.poll() is not None, "the second command follows", 300)
    first.kill()
    first.wait()
    assert second.wait(900) == 0, runs.said("login2")
    assert "on login1): this one follows it" in runs.said("login2")
    assert sorted(record.status for record in runs.records()) == ["done", "done"]
    submitted: dict[str, Path] = {}
    plans = (runs.runs / "executors" / "slurm").glob("*/plan.json")
    for plan in sorted(plans, key=lambda path: path.stat().st_mtime):
        for key in json.loads(plan.read_text())["keys"]:
            # A job that ends while the second command looks what is to do may be handed out again: it finds its work done.
            earlier = submitted.get(key)
            assert earlier is None or list(earlier.parent.glob("*_result.pkl")), f"{key} was in the queue twice at once"
            submitted[key] = plan
    assert sum(key.startswith("cell/") for key in submitted) == 2


def test_a_cancel_takes_waiting_jobs_out_of_the_queue_and_lets_the_others_save(cluster, queued):
    runs = queued(images=64_000_000, seeds=6)  # more than the four cores of the cluster, and nobody waits for their end
    before = set(cluster.jobs())
    command = runs.start("login1")
    own = lambda state: {job for job, now in cluster.jobs().items() if now == state} - before  # noqa: E731
    wait_until(lambda: list(runs.runs.glob("work/finetune-*/step-*")) and own("PENDING"), "cells run, and others wait", 600)
    said = runs.call("cancel", host="login2").stdout
    assert "asked the run of process" in said
    assert command.wait(600) == 130, runs.said("login1")
    assert "cancelled by" in runs.said("login1")
    wait_until(lambda: not own("PENDING") | own("RUNNING") | own("COMPLETING"), "nothing is left in the queue")
    assert own("CANCELLED")
    assert list(runs.runs.glob("work/finetune-*/step-*")), "no checkpoint"
    assert runs.records() == []
    assert "dead" not in runs.call("status").stdout
