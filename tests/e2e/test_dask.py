"""Quickstart on a Dask cluster of two machines: the same bits as on this machine alone, also where one dies in the middle.

The two machines are processes here. Each has a host of its own in the runs folder, and one core.
"""

import json
import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(find_spec("distributed") is None, reason="needs the extra [dask]"),
]
QUICKSTART = Path(__file__).parents[2] / "leaderboards" / "quickstart"
DASK = (sys.executable, "-m", "distributed.cli.dask_spec", "--spec")
SCHEDULER = {"cls": "distributed.Scheduler", "opts": {"host": "127.0.0.1", "port": 0, "dashboard": False}}
WORKER = {"cls": "distributed.Worker", "opts": {"nthreads": 1, "dashboard": False, "memory_limit": 0}}


@pytest.fixture
def machines(tmp_path):
    """A cluster. Returns: (address of its scheduler, the processes of its workers by the names of their hosts)."""
    started = []

    def start(spec, *address, **variables):
        log = tmp_path / f"dask-{len(started)}.log"
        with log.open("w") as out:
            line = [*DASK, json.dumps(spec), *address]
            started.append(subprocess.Popen(line, stdout=out, stderr=out, cwd=tmp_path, env={**os.environ, **variables}))
        return started[-1], log

    _, log = start(SCHEDULER)
    end = time.monotonic() + 120
    while "Scheduler at:" not in log.read_text():
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.2)
    address = log.read_text().partition("Scheduler at:")[2].split()[0]
    workers = {}
    for host in ("one", "two"):
        workers[host], _ = start(WORKER, address, HARNESS_HOST=host, HARNESS_BEAT_SECONDS="1")
    yield address, workers
    for process in reversed(started):
        process.kill()
        process.wait()


def test_quickstart_is_the_same_bit_for_bit_where_one_of_two_machines_dies(command, machines, notes, wait, tmp_path):
    address, workers = machines
    command.board = QUICKSTART
    command.environment["HARNESS_BEAT_SECONDS"] = "1"  # what the dead machine held is then taken over in seconds
    run = command.start("--smoke", "--jobs", "2", "--executor", "dask", "--set", f"dask.address={address}")
    assert wait(lambda: {host for what, host in notes() if what == "step"} == set(workers), run)
    workers["two"].kill()
    _, err = run.communicate(timeout=1500)
    assert run.returncode == 0, err
    assert "Traceback" not in err
    command.expect_smoke_as_alone(tmp_path / "alone", 6 + 2)  # cells and floors
