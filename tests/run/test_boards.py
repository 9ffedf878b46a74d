"""Boards that follow each other run on one executor, and end as a run of one board does."""

import pytest

from harness.errors import Interrupted, UserError
from harness.process import stop
from harness.run.boards import run_boards
from harness.run.start import RunOptions
from harness.store.runs_folder import RunsFolder

ONE = "seeds: [0, 1]"


@pytest.fixture
def boards(write_small, small_text):
    """Two boards of one cell, without floors to wait for."""
    text = small_text[: small_text.index("  sft-pg")] + small_text[small_text.index("seeds:") :]
    return [write_small(text.replace(ONE, f"seeds: [{seed}]").replace("only: seed=0", "only: method=no*")) for seed in (0, 1)]


@pytest.fixture
def starts(serial, monkeypatch):
    """The number of slots of each run of the executor."""
    found, run = [], serial.run
    monkeypatch.setattr(serial, "run", lambda ready, *, slots: (found.append(slots), run(ready, slots=slots)))
    return found


def go(boards, folder, sent):
    def each():
        for board in boards:
            sent.append([(state.cell.name, state.state) for state in (yield board)])

    run_boards(each(), RunsFolder(folder), RunOptions(jobs=2))


def test_boards_run_one_after_another_on_one_executor(boards, starts, tmp_path):
    sent = []
    go(boards, tmp_path / "runs", sent)
    assert sent == [[(f"{base}/none/s{seed}", "done") for base in ("ddpm", "edm")] for seed in (0, 1)]
    assert starts == [2]
    go(boards, tmp_path / "runs", sent)
    assert len(sent) == 4
    assert starts == [2], "an executor started for nothing"


def test_an_error_between_two_boards_ends_the_run(boards, starts, tmp_path):
    def each():
        yield boards[0]
        raise UserError("no more")

    with pytest.raises(UserError, match="no more"):
        run_boards(each(), RunsFolder(tmp_path / "runs"), RunOptions(jobs=1))
    assert starts == [1]


def test_no_board_follows_after_a_request_to_stop(boards, serial, tmp_path, monkeypatch):
    monkeypatch.setattr(serial, "intercept", lambda job: stop.request() if job.name.endswith("s0") else None)
    sent = []
    with pytest.raises(Interrupted):
        go(boards, tmp_path / "runs", sent)
    assert not any("s1" in name for name in serial.ran)
