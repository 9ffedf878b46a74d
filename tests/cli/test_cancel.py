"""`harness cancel`: a request for the runs of a board, whole or for some cells."""

import json

import pytest

from harness.store.commands import registered, this_command


@pytest.fixture
def at_work(filled):
    """A run at work, with a dead one before it."""
    own = this_command("small", filled.runs, [], {"before": ("earlier",)})
    with registered(own, filled.runs):
        yield own


def request(shell):
    (file,) = shell.runs.cancels.iterdir()
    return json.loads(file.read_text())


def test_without_a_run_there_is_nothing_to_cancel(filled):
    done = filled("cancel", "leaderboards/small")
    assert (done.returncode, done.stdout) == (0, "no run of small is at work in runs\n")
    assert not filled.runs.cancels.exists()


def test_all_of_a_run_is_asked_to_stop_and_of_those_before_it(filled, at_work):
    done = filled("cancel", "leaderboards/small", HARNESS_HOST="node3")
    assert done.stdout == f"asked the run of {at_work.where} to stop\n"
    asked = request(filled)
    assert (asked["commands"], asked["jobs"]) == ([at_work.id, "earlier"], None)
    assert asked["by"].endswith(" on node3")


def test_some_cells_are_asked_to_stop(filled, at_work):
    filled("cancel", "leaderboards/small", "--only", "method=ddo")
    assert request(filled)["jobs"] == ["ddpm/ddo/s0", "ddpm/ddo/s1"]


def test_a_base_stops_with_all_of_its_cells(filled, at_work):
    filled("cancel", "leaderboards/small", "--only", "base=ddpm")
    assert request(filled)["jobs"][-1] == "base ddpm"


def test_a_filter_that_keeps_no_cell_is_a_fault(filled, at_work):
    assert filled("cancel", "leaderboards/small", "--only", "method=nope").returncode == 2
    assert not filled.runs.cancels.exists()
