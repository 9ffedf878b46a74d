"""Scheduling, in one process: an executor that runs jobs at once, in any order."""

import pytest

from harness.board.cells import Cell
from harness.board.reading.load import load_board
from harness.components import Dataset, Executor
from harness.errors import Interrupted, UserError
from harness.interfaces import JobEnd
from harness.process import stop
from harness.run import run as runs
from harness.run.run import RunOptions, run_board, states
from harness.store.records import load_record
from harness.store.runs_folder import RunsFolder
from harness.toolkit import optional

BOARD = """\
title: Run
dataset: {name: swiss-roll, train_size: 200}
bases:
  ddpm:
    model: {name: ddpm-mlp, steps: 2, width: 8}
    pretrain: {method: mle, training: {images: 64, batch: 16}}
  edm:
    model: {name: edm-mlp}
    pretrain: {method: mle, training: {images: 64, batch: 16}}
    only: seed=0
training: {images: 64, batch: 16}
methods:
  none:
  sft-pg: {method: {name: sft-pg, critic_width: 8}}
  ddo: {method: {name: ddo, bank_size: 20}}
seeds: [0, 1]
evaluation: {samples: 20, batch: 20}
floor: {pairs: 2}
metrics: {sliced-w2: {metric: {name: sliced-w2, projections: 10}}}
"""


class Serial:
    """Runs every job where it is, the newest first or the oldest."""

    newest_first = False
    intercept = staticmethod(lambda _: None)  # an end instead of running the job
    ran: list[str]

    def run(self, ready, *, slots):
        self.ran, queue, ends = [], [], []
        while (more := ready(ends)) is not None:
            queue += more
            if stop.is_requested():
                return
            ends = []
            if queue:
                job = queue.pop(-1 if self.newest_first else 0)
                end = type(self).intercept(job)
                self.ran.append(job.name)
                ends = [end or JobEnd(job, job.function(*job.arguments))]


@pytest.fixture
def serial(monkeypatch):
    executor = Serial()
    monkeypatch.setattr(Executor, "create", lambda *_: executor)
    monkeypatch.setattr(runs, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(Serial, "intercept", staticmethod(lambda _: None))
    # It belongs to the process of the tests.
    monkeypatch.setattr(stop, "on_signals", lambda: None)
    yield executor
    stop.clear()


@pytest.fixture
def board(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "board.yaml").write_text(BOARD)
    return load_board(tmp_path / "run")


def run(board, folder, **options):
    return run_board(board, board.cells, RunsFolder(folder), RunOptions(jobs=1, **options))


def results(board, folder):
    found = {}
    for cell in board.cells:
        record = load_record(RunsFolder(folder).record(cell.board, cell.name, cell.key))
        found[cell.name] = (record.status, record.metrics.get("sliced-w2") and record.metrics["sliced-w2"].values,
                            record.weights_sha256, record.samples_sha256, record.costs.network_evaluations)  # fmt: skip
    return found


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A runs folder of the whole board, run in order."""
    return tmp_path_factory.mktemp("first")


def test_the_order_of_cells_does_not_matter(board, serial, first, tmp_path):
    ended = run(board, first)
    assert [(state.cell.name, state.state) for state in ended] == [
        ("ddpm/none/s0", "done"), ("ddpm/none/s1", "done"), ("ddpm/sft-pg/s0", "done"), ("ddpm/sft-pg/s1", "done"),
        ("ddpm/ddo/s0", "done"), ("ddpm/ddo/s1", "done"),
        ("edm/none/s0", "done"), ("edm/sft-pg/s0", "skipped"), ("edm/ddo/s0", "done"),
    ]  # fmt: skip
    straight = serial.ran
    serial.newest_first = True
    run(board, tmp_path / "back")
    assert serial.ran != straight
    assert sorted(serial.ran) == sorted(straight)
    assert results(board, tmp_path / "back") == results(board, first)


def test_bases_run_before_their_cells_and_nothing_twice(board, serial, tmp_path):
    run(board, tmp_path)
    assert len(serial.ran) == len(set(serial.ran)) == 2 + 1 + 8  # bases, a floor, cells without the skipped one
    for base in ("ddpm", "edm"):
        at = serial.ran.index(f"base {base}")
        assert all(serial.ran.index(name) > at for name in serial.ran if name.startswith(f"{base}/"))
    serial.ran = []
    assert {state.state for state in run(board, tmp_path)} == {"done", "skipped"}
    assert serial.ran == []


def test_an_absent_package_stops_everything_before_any_job_and_no_board_that_does_not_need_it(
    board, serial, tmp_path, monkeypatch
):
    monkeypatch.setattr(optional, "find_spec", {}.get)
    (tmp_path / "run" / "board.yaml").write_text(
        BOARD.replace("    only: seed=0", "    only: seed=0\n    sampler: {name: cfg, sampler: dpm-solver++}")
    )
    needing = load_board(tmp_path / "run")  # pages are made without it
    with pytest.raises(UserError, match=r"sampler dpm-solver\+\+: needs diffusers.*finetune-harness\[diffusers\]"):
        run(needing, tmp_path / "runs")
    assert not hasattr(serial, "ran")
    runs._check_packages(board, board.cells)


def test_absent_files_of_the_dataset_stop_everything_before_any_job(board, serial, tmp_path, monkeypatch):
    def check(self, config):
        raise UserError("dataset: no files")

    monkeypatch.setattr(Dataset, "check_readiness", check)
    serial.ran = []
    with pytest.raises(UserError, match="no files"):
        run(board, tmp_path)
    assert serial.ran == []


def test_a_part_of_the_board(board, serial, tmp_path):
    cells = [cell for cell in board.cells if cell.name == "edm/none/s0"]
    (ended,) = run_board(board, cells, RunsFolder(tmp_path), RunOptions(jobs=4))
    assert ended.state == "done"
    assert sorted(serial.ran) == ["base edm", "edm/none/s0", "floor sliced-w2"]
    assert {state.state for state in states(board, board.cells, RunsFolder(tmp_path))} == {"to run", "done", "skipped"}


def test_a_cell_that_another_run_is_at_is_asked_for_again(board, serial, monkeypatch, tmp_path):
    asked = []

    def busy_twice(job):
        asked.append(job.name)
        return JobEnd(job, "busy") if job.name == "ddpm/none/s1" and asked.count(job.name) <= 2 else None

    monkeypatch.setattr(Serial, "intercept", staticmethod(busy_twice))
    events = []
    run_board(board, board.cells, RunsFolder(tmp_path), RunOptions(jobs=1), events.append)
    assert asked.count("ddpm/none/s1") == 3
    assert [event.ended for event in events] == list(range(1, 12))  # a busy cell has not ended
    assert {event.total for event in events} == {11}


def test_a_disk_that_refuses_stops_the_run_with_one_message(board, serial, monkeypatch, tmp_path):
    def refuse(job):
        return JobEnd(job, "/x: no room left; free some space") if isinstance(job.arguments[0], Cell) else None

    monkeypatch.setattr(Serial, "intercept", staticmethod(refuse))
    with pytest.raises(UserError) as caught:
        run(board, tmp_path)
    assert str(caught.value) == "/x: no room left; free some space"


def test_a_dead_process_fails_its_cell_and_it_is_tried_again(board, serial, monkeypatch, tmp_path):
    def die(job):
        return JobEnd(job, death="its process died") if job.name == "ddpm/ddo/s0" else None

    monkeypatch.setattr(Serial, "intercept", staticmethod(die))
    ended = {state.cell.name: state for state in run(board, tmp_path)}
    assert (ended["ddpm/ddo/s0"].state, ended["ddpm/ddo/s0"].reason) == ("failed", "its process died")
    assert {state.state for name, state in ended.items() if name != "ddpm/ddo/s0"} == {"done", "skipped"}
    monkeypatch.setattr(Serial, "intercept", staticmethod(lambda _: None))
    assert {state.state for state in run(board, tmp_path)} == {"done", "skipped"}
    assert serial.ran == ["base ddpm", "ddpm/ddo/s0"]


def test_a_stop_request_is_an_interruption_unless_all_is_over(board, serial, monkeypatch, tmp_path):
    def stop_in_the_middle(job):
        if job.name == "ddpm/ddo/s0":
            stop.request()
            return JobEnd(job, "interrupted")
        return None

    monkeypatch.setattr(Serial, "intercept", staticmethod(stop_in_the_middle))
    with pytest.raises(Interrupted):
        run(board, tmp_path)
    assert not list((tmp_path / "records").glob("*/ddpm__ddo__s0.*"))


def test_a_process_that_dies_of_the_interruption_is_no_failure(board, serial, monkeypatch, tmp_path):
    def forced(job):
        if job.name == "ddpm/ddo/s0":
            stop.request()
            return JobEnd(job, death="its process died")
        return None

    monkeypatch.setattr(Serial, "intercept", staticmethod(forced))
    with pytest.raises(Interrupted):
        run(board, tmp_path)
    assert not list((tmp_path / "records").glob("*/ddpm__ddo__s0.*"))


def test_a_metric_that_raises_fails_floor_and_cells_and_the_run_ends(board, serial, monkeypatch, caplog, tmp_path):
    from harness.stages import context

    def broken(first, second, generator):
        raise SystemExit("no such distance")

    monkeypatch.setattr(context, "metric", lambda _: broken)
    events = []
    ended = run_board(board, board.cells, RunsFolder(tmp_path), RunOptions(jobs=1), events.append)
    assert {state.state for state in ended} == {"failed", "skipped"}
    assert all("no such distance" in state.reason for state in ended if state.state == "failed")
    assert "floor sliced-w2: failed" in [event.text for event in events]
    (warning,) = [message for message in caplog.messages if message.startswith("floor")]
    assert "no such distance" in warning
    assert len(list(tmp_path.glob("work/*/traceback.txt"))) == 1 + 8


def test_a_floor_that_alone_fails_ends_the_command_with_1(serial, tmp_path, monkeypatch):
    from typer.testing import CliRunner

    from harness.cli import app as cli
    from harness.stages import metrics

    def broken(plan, at):
        raise RuntimeError("no second draw")

    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "board.yaml").write_text(BOARD)
    command = ["run", str(tmp_path / "run"), "--only", "method=none,base=edm", "--runs-dir", str(tmp_path / "runs")]
    with monkeypatch.context() as patch:
        patch.setattr(metrics, "floor", broken)
        failed = CliRunner().invoke(cli.app, command)
    assert failed.exit_code == 1
    assert "failed: floor sliced-w2" in failed.stderr
    assert CliRunner().invoke(cli.app, command).exit_code == 0


def test_a_metric_above_its_limit_marks_the_cell_as_diverged(serial, tmp_path):
    (tmp_path / "run").mkdir()
    text = BOARD.replace("{sliced-w2: {", "{sliced-w2: {explodes_above: 1.0e-9, ")
    (tmp_path / "run" / "board.yaml").write_text(text)
    board = load_board(tmp_path / "run")
    ended = run(board, tmp_path / "runs")
    assert {state.state for state in ended} == {"diverged", "skipped"}
    assert all("sliced-w2 is 0." in state.reason for state in ended if state.state == "diverged")
    serial.ran = []
    assert run(board, tmp_path / "runs") == ended
    assert serial.ran == []  # what diverged is not tried again


def test_a_record_that_another_run_wrote_meanwhile_stays(board, serial, monkeypatch, tmp_path):
    from harness.stages import jobs
    from harness.stages.options import JobOptions

    run(board, tmp_path)
    cell, layout = board.cells[0], RunsFolder(tmp_path)
    path = layout.record(cell.board, cell.name, cell.key)
    before = (path.stat().st_ino, path.read_bytes())
    assert jobs.run_cell(cell, layout, JobOptions()) == "ended"
    assert (path.stat().st_ino, path.read_bytes()) == before


def test_jobs_below_one_are_refused(board, tmp_path):
    with pytest.raises(UserError, match="--jobs 0"):
        run_board(board, board.cells, RunsFolder(tmp_path), RunOptions(jobs=0))
