"""Work that a run goes on from is named where other code made it, in whole or in part."""

import pytest
from edited_code import edit
from tiny_boards import ONE_BASE

from harness.errors import Interrupted
from harness.process import stop
from harness.run.earlier_code import earlier_code
from harness.run.fresh import Fresh
from harness.run.start import RunOptions, run_board
from harness.store.runs_folder import RunsFolder
from harness.training.loop import TrainingLoop


@pytest.fixture
def board(write_small):
    return write_small(ONE_BASE)


@pytest.fixture
def runs(tmp_path):
    return RunsFolder(tmp_path / "runs")


def found(board, runs, fresh=None):
    names = earlier_code(board.cells, runs) if fresh is None else earlier_code(board.cells, runs, fresh)
    return {name: [change.recorded.component for change in changed] for name, changed in names}


@pytest.fixture
def stopped_in(board, runs, serial, monkeypatch):
    """Run the board until a job has taken its first step of training, whose checkpoint stays."""

    def stopped_in(name):
        begun = []
        serial.intercept = lambda job: begun.append(job.name)
        step = TrainingLoop._step

        def stepping(*arguments):
            step(*arguments)
            if begun[-1] == name:
                stop.request()

        with monkeypatch.context() as patched:
            patched.setattr(TrainingLoop, "_step", stepping)
            with pytest.raises(Interrupted):
                run_board(board, board.cells, runs, RunOptions(jobs=1))
        stop.clear()
        serial.stop_intercepting()

    return stopped_in


def test_checkpoints_of_other_code_are_named_before_a_training_goes_on_from_them(board, runs, stopped_in, monkeypatch):
    stopped_in("base ddpm")
    assert found(board, runs) == {}
    edit(monkeypatch, "model ddpm-mlp")
    assert found(board, runs) == {"base ddpm": ["model ddpm-mlp"]}


def test_a_base_that_is_whole_and_a_begun_training_are_named(board, runs, stopped_in, monkeypatch):
    stopped_in("ddpm/ddo/s0")
    edit(monkeypatch, "method mle")
    assert found(board, runs) == {"base ddpm": ["method mle"]}
    edit(monkeypatch, "method ddo")
    assert found(board, runs) == {"base ddpm": ["method mle"], "training of ddpm/ddo/s0": ["method ddo"]}


def test_what_a_run_makes_anew_is_not_gone_on_from(board, runs, stopped_in, monkeypatch):
    stopped_in("ddpm/ddo/s0")
    edit(monkeypatch, "method mle")
    edit(monkeypatch, "method ddo")
    assert found(board, runs, Fresh(board.cells)) == {"base ddpm": ["method mle"]}
    assert found(board, runs, Fresh(board.cells, bases=True)) == {}


def test_a_damaged_manifest_is_no_earlier_code(board, runs, stopped_in, monkeypatch):
    stopped_in("ddpm/ddo/s0")
    edit(monkeypatch, "method mle")
    (runs.stage("base", board.cells[0].base.key) / "manifest.json").write_text("{")
    assert "base ddpm" not in found(board, runs)


def test_cells_that_are_done_are_not_asked_about(board, runs, serial, monkeypatch):
    run_board(board, board.cells, runs, RunOptions(jobs=1))
    edit(monkeypatch, "method mle")
    assert list(earlier_code([], runs)) == []
