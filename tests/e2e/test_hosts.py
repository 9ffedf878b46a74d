"""Several hosts on one folder: processes with host names of their own, which see of each other nothing but the folder."""

import json
import os
import signal
import time
from collections import Counter

import in_process
import pytest
from in_process import write_board
from lying_folder import LyingFolder

from harness.process.host import VARIABLE
from harness.stages import jobs
from harness.store import beats
from harness.store.lease import lease
from harness.store.records import load_record
from harness.store.runs_folder import RunsFolder

pytestmark = pytest.mark.usefixtures("in_this_process")
in_this_process = in_process.in_this_process
BOARD = in_process.BOARD


@pytest.fixture
def board(tmp_path):
    return write_board(tmp_path / "tiny", BOARD)


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The results of one host alone."""
    folder = tmp_path_factory.mktemp("alone")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("harness.components.Executor.create", lambda *_: in_process.InProcess())
        assert in_process.command("run", write_board(folder / "tiny", BOARD), "--runs-dir", folder / "runs").code == 0
    return results(folder / "runs")


@pytest.fixture
def hosts(board, tmp_path, monkeypatch):
    """Starts `harness run` in processes of hosts; at the end none is left."""
    children = {}

    def start(name, *, beat=1.0, within=None):
        child = os.fork()
        if child == 0:
            os.environ[VARIABLE], os.environ[beats.VARIABLE] = name, str(beat)
            code = 1
            try:
                if within is not None:
                    within()
                _note_cells(tmp_path / "cells")
                ended = in_process.command("run", board, "--runs-dir", tmp_path / "runs")
                (tmp_path / f"{name}.out").write_text(ended.out)
                (tmp_path / f"{name}.err").write_text(ended.err)
                code = ended.code
            finally:
                os._exit(code)
        children[child] = name
        return child

    yield start
    for child in children:
        try:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        except (ProcessLookupError, ChildProcessError):
            continue


def _note_cells(file):
    """Note each cell that this process takes through its stages."""
    make = jobs._record

    def noting(cell, context):
        with file.open("a") as notes:
            notes.write(f"{cell.name}\n")
        return make(cell, context)

    jobs._record = noting


def cells_made(tmp_path):
    return Counter((tmp_path / "cells").read_text().splitlines())


def results(runs):
    """What may not depend on who did it."""
    found = {}
    for path in sorted(runs.glob("records/*/*.json")):
        content = json.loads(path.read_text())
        values = {name: metric["values"] for name, metric in content.get("metrics", {}).items()}
        found[path.name] = (content.get("status"), values or content.get("values"), content.get("samples_sha256"))
    return found


def ends(*children):
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def until(is_true, seconds=60):
    end = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < end, "nothing came of it"
        time.sleep(0.01)


def assert_whole(tmp_path, expected, *names):
    runs = tmp_path / "runs"
    assert results(runs) == expected
    tables = {(tmp_path / f"{name}.out").read_text() for name in names}
    assert len(tables) == 1
    assert not [path for path in runs.rglob("*") if ".damaged-" in path.name or path.suffix == ".part"]
    assert not list(runs.glob("leases/*"))


def test_two_hosts_share_a_board_and_each_cell_is_made_once(hosts, tmp_path, expected):
    assert ends(hosts("a"), hosts("b")) == [0, 0]
    assert_whole(tmp_path, expected, "a", "b")
    assert set(cells_made(tmp_path).values()) == {1}
    assert len(cells_made(tmp_path)) == 3
    assert not [path for path in (tmp_path / "runs").rglob("*") if path.name.startswith(".") and path.is_file()]
    assert not list(tmp_path.glob("runs/workers/*"))


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGSTOP])
def test_what_a_host_had_that_fell_silent_another_one_takes_over(hosts, tmp_path, expected, signum):
    silent = hosts("a", beat=0.3)
    until(lambda: list(tmp_path.glob("runs/leases/cell-*")))
    os.kill(silent, signum)
    assert ends(hosts("b", beat=0.3)) == [0]
    assert results(tmp_path / "runs") == expected
    if signum == signal.SIGSTOP:
        os.kill(silent, signal.SIGCONT)  # it wakes up in the middle of what others have done long since
        assert ends(silent) == [0]
        assert_whole(tmp_path, expected, "a", "b")
    assert ends(hosts("c", beat=0.3)) == [0]
    assert_whole(tmp_path, expected, "b", "c")
    assert not [path for path in (tmp_path / "runs").rglob("*") if path.name.startswith(".") and path.is_file()]


def test_the_clocks_of_hosts_do_not_matter(hosts, tmp_path, expected):
    def long_ago():
        time.time = lambda: 1e9

    assert ends(hosts("a", within=long_ago), hosts("b")) == [0, 0]
    assert_whole(tmp_path, expected, "a", "b")
    assert set(cells_made(tmp_path).values()) == {1}


@pytest.mark.parametrize("folder", [{"every": 3}, {"delay": 0.5}])
def test_a_folder_that_lies_or_is_late_costs_time_and_no_results(hosts, tmp_path, expected, folder):
    def lie():
        LyingFolder(tmp_path / "runs", **folder).stand_between().__enter__()

    assert ends(hosts("a", beat=0.5, within=lie), hosts("b", beat=0.5, within=lie)) == [0, 0]
    assert_whole(tmp_path, expected, "a", "b")


def test_a_job_that_lost_its_cell_ends_as_busy_and_leaves_no_record(board, tmp_path, monkeypatch):
    from harness.board.reading.load import load_board
    from harness.stages.job_result import BUSY
    from harness.stages.options import JobOptions

    runs = RunsFolder(tmp_path / "runs")
    cell = load_board(board).cells[0]
    stages = jobs._stages

    def lost_in_the_middle(*arguments):
        made = stages(*arguments)
        for worker in runs.workers.glob("*.json"):  # another host gives this process up
            worker.rename(worker.with_suffix(".gone"))
        raise RuntimeError(f"what comes of it is no fault of the cell: {made}")

    monkeypatch.setattr(jobs, "_stages", lost_in_the_middle)
    assert jobs.run_cell(cell, runs, JobOptions("cpu")) == BUSY
    path = runs.record(cell.board, cell.name, cell.key)
    assert not path.exists()
    monkeypatch.setattr(jobs, "_stages", stages)
    assert jobs.run_cell(cell, runs, JobOptions("cpu")).outcome == "finished"
    assert load_record(path).status == "done"
    with lease(runs.lease("cell", cell.key), wait=False):
        pass
