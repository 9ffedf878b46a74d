"""Boards on a Ray cluster of two machines: the same bits as on this machine alone, also where one goes away in the middle.

The two machines are processes here. Each has a host of its own in the runs folder, and one core.
"""

import os
import re
import shutil
import signal
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(find_spec("ray") is None, reason="needs the extra [ray]"),
    pytest.mark.filterwarnings("ignore"),
]
QUICKSTART = Path(__file__).parents[2] / "leaderboards" / "quickstart"
QUICK = ("--checkpoint-seconds", "0.1", "--log-every", "1")
HOSTS = {"one", "two"}
CELLS = ("--only", "method=ddo,mle", "--seeds", "0")


class Machines:
    """A cluster of two machines on this one."""

    def __init__(self, folder):
        from ray.cluster_utils import Cluster

        shared = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False, "temp_dir": str(folder)}
        self.cluster = Cluster(
            initialize_head=True, head_node_args={**shared, "env_vars": {"HARNESS_HOST": "one"}}, shutdown_at_exit=False
        )
        self.second = self.cluster.add_node(**shared, env_vars={"HARNESS_HOST": "two"})

    @property
    def settings(self):
        return ("--executor", "ray", "--set", f"ray.address={self.cluster.address}", "--jobs", "2")

    def kill_second(self):
        self.cluster.remove_node(self.second, allow_graceful=False)


@pytest.fixture
def temporary():
    """A folder for the sockets and logs of clusters, whose names may have 107 letters: pytest's folders are too deep."""
    folder = Path(tempfile.mkdtemp(prefix="ray-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def machines(temporary, monkeypatch):
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # Ray sets its own
    variables = {"USAGE_STATS_ENABLED": "0", "AUTH_MODE": "disabled", "worker_niceness": "0", "TMPDIR": str(temporary)}
    for name, value in variables.items():
        monkeypatch.setenv(f"RAY_{name}", value)
    (temporary / "ray").mkdir()  # Ray writes the cluster's address there, and makes no folder for it
    started = Machines(temporary)
    yield started
    started.cluster.shutdown()


def assert_clean(command):
    """No lease, no scratch file, and no mark of the executor stays behind."""
    hidden = [str(path) for path in command.runs.rglob(".*") if path.name.startswith((".probe", ".ray"))]
    assert hidden == []


def test_quickstart_is_the_same_bit_for_bit_on_two_machines(command, machines, notes, tmp_path):
    command.board = QUICKSTART
    spread = command.run("--smoke", *machines.settings)
    assert spread.returncode == 0, spread.stderr
    assert {host for what, host in notes() if what == "finished"} == HOSTS
    assert_clean(command)
    command.expect_smoke_as_alone(tmp_path / "alone", 6 + 2)  # cells and floors


@pytest.fixture(scope="module")
def expected(tmp_path_factory, tiny_command):
    """The results of some cells after one run by `local`."""
    alone = tiny_command(tmp_path_factory.mktemp("alone"))
    ended = alone.run(*CELLS, "--jobs", "2")
    assert ended.returncode == 0, ended.stderr
    return alone.results()


def test_a_machine_that_goes_away_costs_no_cell(command, expected, machines, notes, wait):
    command.environment["HARNESS_BEAT_SECONDS"] = "1"  # what the lost machine held is then taken over in seconds
    run = command.start(*CELLS, *QUICK, *machines.settings)
    assert wait(lambda: ("step", "two") in notes(), run)
    machines.kill_second()
    _, err = run.communicate(timeout=1500)
    assert run.returncode == 0, err
    assert re.search("(went away|Ray ended its worker).*; the job starts again", err), err
    assert "Traceback" not in err
    assert command.results() == expected
    assert_clean(command)


@pytest.fixture
def own(command, temporary):
    """A command that starts a cluster of its own, with a folder for temporary files that nobody else uses."""
    command.environment["TMPDIR"] = str(temporary)
    return command, temporary


CELL = ("--only", "method=ddo", "--seeds", "0", "--executor", "ray", *QUICK)


def descendants(run):
    return psutil.Process(run.pid).children(recursive=True)


def assert_gone(processes, seconds=60):
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    assert not alive


def test_a_stop_reaches_the_job_which_saves_and_goes_on_later(own, expected, wait):
    command, temporary = own
    run = command.start(*CELL)
    assert wait(lambda: list(command.runs.glob("work/finetune-*/step-*")), run)
    processes = descendants(run)
    run.send_signal(signal.SIGTERM)
    _, err = run.communicate(timeout=300)
    assert (run.returncode, "Traceback" in err) == (130, False), err
    assert_gone(processes)
    assert list(temporary.glob("harness-ray-*")) == []
    steps = list(command.runs.glob("work/finetune-*/step-*"))
    assert steps, "no checkpoint"
    ended = command.run(*CELL)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.count("ray") == 0, ended.stderr  # it says nothing of its own
    assert command.results() == {name: expected[name] for name in command.results()}


def test_nothing_of_a_killed_run_stays(own, wait):
    command, temporary = own
    run = command.start(*CELL)
    assert wait(lambda: list(command.runs.glob("work/base-*/step-*")), run)
    processes = descendants(run)
    assert any("raylet" in process.name() for process in processes)
    os.kill(run.pid, signal.SIGKILL)
    run.communicate()
    agents = [process for process in processes if process.name().endswith("Agent")]
    assert_gone([process for process in processes if process not in agents])
    assert_gone(agents, seconds=180)  # a minute passes before Ray's agents give up telling the head of the cluster that they end
    assert command.run(*CELL).returncode == 0
    assert list(temporary.glob("harness-ray-*")) == [], "the folder of the killed run's cluster stays"
