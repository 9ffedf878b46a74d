"""A second run of the same cells follows the first, leaves it alone, and takes over when it has died."""

import itertools
import os
import threading
import time

import pytest

from harness.process.host import ProcessId
from harness.run import attach
from harness.run.attach import Attached, at_work
from harness.stages.record import save_unrun
from harness.store.cancels import Cancelled, ask
from harness.store.commands import commands, file_of, registered, this_command
from harness.store.runs_folder import RunsFolder


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.setattr(attach, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(attach, "SHARED_LOOK_SECONDS", 0.01)
    return RunsFolder(tmp_path / "runs")


@pytest.fixture
def cells(board):
    return [cell for cell in board.cells if cell.skip_reason is None][:3]


@pytest.fixture
def second(board, cells, runs):
    """A second run of the cells; it notes what it is told."""

    def run(chosen=None, **options):
        run.told[:] = []  # type: ignore[attr-defined]
        facts = {"executor": "local"}
        say = {"on_event": lambda event: run.told.append(event.text), "on_remark": run.told.append}  # type: ignore[attr-defined]
        return at_work(board, cells if chosen is None else chosen, runs, facts=facts, **say, **options)

    run.told = []  # type: ignore[attr-defined]
    return run


@pytest.fixture
def first(board, cells, runs):
    """A run at work on two cells: the file of a command, and its heartbeat."""
    command = this_command(board.name, runs, [cell.key for cell in cells[:2]], {"executor": "local"})
    with registered(command, runs):
        yield command


def test_in_a_shared_folder_waits_grow_to_two_beats(runs, monkeypatch):
    first_waits = list(itertools.islice(attach._waits(runs), 30))
    assert set(first_waits) == {attach.LOOK_SECONDS}  # no other host sees the folder
    monkeypatch.setenv("HARNESS_HOST", "node3")
    monkeypatch.setattr(attach, "SHARED_LOOK_SECONDS", 3.0)
    waits = list(itertools.islice(attach._waits(runs), 30))
    assert waits[:2] == [3.0, 3.75]
    assert waits[-1] == 30.0


def later(action):
    thread = threading.Timer(0.3, action)
    thread.start()
    return thread


def test_without_another_run_a_run_is_at_work(second, runs, board, cells):
    with second() as command:
        (known,) = commands(runs, board.name)
        assert known == command
        assert known.keys == tuple(cell.key[:12] for cell in cells)
    assert commands(runs) == []


def test_a_run_of_other_cells_too_works_beside_the_first(second, first, runs):
    with second() as command:
        assert command is not None
        assert second.told == []


def test_a_run_of_the_same_cells_follows_to_the_end_and_does_nothing(second, first, runs, cells):
    def end():
        for cell in cells[:2]:
            save_unrun(cell, runs, "failed", "no room")
        file_of(first.id, runs).unlink()

    ending = later(end)
    with second(cells[:2]) as command:
        ending.join()
        assert command is None  # what failed in the first run is not tried again
    assert "this one follows it" in second.told[0]
    assert [line.partition(":")[0] for line in second.told[1:]] == [cell.name for cell in cells[:2]]


def test_a_run_takes_over_when_the_first_ends_without_results(second, first, runs, cells):
    ending = later(lambda: file_of(first.id, runs).unlink())
    with second(cells[:2]) as command:
        ending.join()
        assert command is not None


def test_ctrl_c_leaves_the_first_run_alone(second, first, runs, cells, monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupt)
    with pytest.raises(Attached, match="which goes on"), second(cells[:2]):
        pytest.fail("it began")
    assert file_of(first.id, runs).exists()


def test_who_follows_a_cancelled_run_ends_with_it(second, first, runs, cells):
    def cancel():
        ask(runs, [first.id], None)
        file_of(first.id, runs).unlink()

    cancelling = later(cancel)
    with pytest.raises(Cancelled, match="cancelled by"), second(cells[:2]):
        pytest.fail("it began")
    cancelling.join()


def test_a_run_may_work_beside_another_one_of_the_same_cells(second, first, cells):
    with second(cells[:2], follows=False) as command:
        assert command is not None


def test_the_run_of_a_host_that_is_gone_is_taken_over(second, first, runs, cells, monkeypatch):
    monkeypatch.setenv("HARNESS_BEAT_SECONDS", "0.05")
    far = str(ProcessId("0" * 12, 4711, 1, "abcdef"))
    text = file_of(first.id, runs).read_text().replace(first.id, far)
    file_of(first.id, runs).unlink()
    file_of(far, runs).write_text(text)
    (runs.workers / f"{far}.json").write_text("{}")  # it beats no more
    began = time.monotonic()
    with second(cells[:2]) as command:
        assert command.before == (far,)
    assert time.monotonic() - began >= 4 * 0.05
    assert not file_of(far, runs).exists()
    assert os.listdir(runs.commands) == []
