"""Trackio's local database holds what was logged; a killed run goes on under its name."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(find_spec("trackio") is None, reason="needs the extra [trackio]")

PROGRAM = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tracked_runs import SUMMARY, a_run
from harness_trackio.runs import TrackioRun
from harness_trackio.settings import TrackioConfig
folder = Path(sys.argv[1])
first = TrackioRun(TrackioConfig(), a_run(folder))
first.log(100, 6400, {"loss": 0.5})
first.close()
resumed = TrackioRun(TrackioConfig(), a_run(folder, is_resumed=True))
resumed.log(200, 12800, {"loss": 0.25})
resumed.finish(SUMMARY)
resumed.close()
import json
from trackio.sqlite_storage import SQLiteStorage
(name,) = SQLiteStorage.get_runs("rings")
print(json.dumps([name, SQLiteStorage.get_logs("rings", name)]))
"""


def test_the_database_holds_the_run_and_a_killed_one_goes_on_in_it(tmp_path):
    # In a process of its own: trackio reads the place of its database when it is imported.
    fakes = Path(__file__).parents[1] / "fakes"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, tmp_path, fakes], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    name, logs = json.loads(done.stdout.splitlines()[0])  # trackio's own lines are kept from stdout; it says goodbye at exit
    assert name == "net/fit/s0 012345"
    assert [(log["step"], log["loss"]) for log in logs if "loss" in log] == [(100, 0.5), (200, 0.25)]
    assert [log["final/fid[cnn]"] for log in logs if "final/fid[cnn]" in log] == [2.5]
