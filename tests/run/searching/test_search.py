import math

import pytest
from search_boards import SEARCH_BOARD, Trained

from harness.errors import UserError
from harness.run.searching.search import SearchOptions, run_search, trial_file
from harness.store.lease import lease
from harness.store.runs_folder import RunsFolder

RUNGS = SEARCH_BOARD.replace("trials: 12", "trials: 12\n    rungs: 2")


@pytest.fixture
def search(study, tmp_path):
    """Runs a search in a runs folder of this name; returns its trials."""

    def run(trained, trials=12, jobs=1, of=study, folder="runs", lines=None):
        on_trial = (lambda _: None) if lines is None else lines.append
        return run_search(of, RunsFolder(tmp_path / folder), SearchOptions(trials, jobs), trained, on_trial).trials

    return run


class Killed(Exception):
    """The process ends here."""


def killed_after(trained, boards):
    """Trials that run until so many boards are over: the next one is killed."""
    run = trained.run

    def run_or_die(board):
        if len(trained.boards) >= boards:
            raise Killed
        return run(board)

    trained.run = run_or_die
    return trained


def test_a_search_finds_better_settings(search, trained):
    trials = search(trained, 25)
    assert [trial.number for trial in trials] == list(range(25))
    best = min(trials, key=lambda trial: trial.values[-1])
    assert abs(math.log10(best.point["strength"])) < 0.5
    assert {trial.end for trial in trials} == {"done"}


def test_a_search_goes_on_where_an_earlier_one_ended(search, trained):
    at_once = search(trained, 9)
    parts = Trained()
    search(parts, 4, folder="other")
    assert search(parts, 9, folder="other") == at_once
    assert len(parts.boards) == 9
    assert search(parts, 9, folder="other") == at_once
    assert len(parts.boards) == 9


@pytest.mark.parametrize("jobs", [1, 6])
def test_a_killed_search_asks_for_the_same_trials_again(search, trained, studies, jobs):
    (study,) = studies(RUNGS)
    expected = search(trained, jobs=jobs, of=study)
    for boards in range(1, len(trained.boards), 3):
        again = Trained()
        with pytest.raises(Killed):
            search(killed_after(again, boards), jobs=jobs, of=study, folder=f"killed-{boards}")
        assert search(Trained(), jobs=jobs, of=study, folder=f"killed-{boards}") == expected


def test_more_jobs_than_seeds_ask_for_trials_together(search, trained):
    trials = search(trained, 7, jobs=6)
    assert [len(names) for names in trained.boards] == [3, 3, 1]
    assert [trial.together for trial in trials] == [3, 3, 3, 3, 3, 3, 1]
    alone = Trained()
    search(alone, 3, jobs=2, folder="other")
    assert [len(names) for names in alone.boards] == [1, 1, 1]


def test_only_the_best_go_on_to_the_next_rung(search, trained, studies):
    (study,) = studies(RUNGS.replace("trials: 12", "reduction: 3"))
    trials = search(trained, 12, of=study)
    seen = []
    for trial in trials:
        seen.append(trial.values[0])
        place = sorted(seen).index(trial.values[0])
        assert trial.end == ("done" if place < max(1, len(seen) // 3) else "stopped")
        assert len(trial.values) == (2 if trial.end == "done" else 1)
    assert {trial.end for trial in trials} == {"done", "stopped"}
    assert sum("images=" not in name for names in trained.boards for name in names) < 12


def test_a_trial_that_diverges_is_told_and_the_search_goes_on(search, trained):
    (first, *_) = search(Trained(), 1, folder="first")
    trained.ends = {f"strength={first.point['strength']:g},": "diverged"}
    lines = []
    trials = search(trained, 4, lines=lines)
    assert [trial.end for trial in trials] == ["diverged", "done", "done", "done"]
    assert lines[0].endswith("diverged: net/" + trained.boards[0][0] + "/s100: a reason")
    assert lines[1].startswith("weights on net: trial 2 of 4: strength ")


def test_a_trial_that_failed_is_tried_again_by_the_next_command(search, trained):
    (_, second) = search(Trained(), 2, folder="first")
    trained.ends = {f"strength={second.point['strength']:g},": "failed"}
    assert [trial.end for trial in search(trained, 3)] == ["done", "failed", "done"]
    trained.ends = {}
    assert [trial.end for trial in search(trained, 3)] == ["done"] * 3


def test_a_search_of_which_nothing_works_stops(search, trained):
    trained.ends = {"tune": "failed"}
    with pytest.raises(UserError, match="weights on net: every trial failed: net/tune"):
        search(trained)
    assert len(trained.boards) == 1


def test_two_searches_do_not_work_on_one_study(search, trained, study, tmp_path):
    with lease(RunsFolder(tmp_path / "runs").lease("search", study.key), wait=False), pytest.raises(UserError, match="another"):
        search(trained)


def test_the_file_of_a_study_has_its_name(study, tmp_path):
    file = trial_file(study, RunsFolder(tmp_path))
    assert file.path.parent == tmp_path / "searches" / "rings"
    assert file.path.name == f"weights__net.{study.key[:12]}.json"


def test_less_than_one_trial_is_none():
    with pytest.raises(UserError, match="--trials 0: need at least 1"):
        SearchOptions(0)
