import sys

import pytest

from harness.board.reading.searches import Dimension
from harness.errors import UserError
from harness.run.searching.suggest import check_installed, rounded, suggest
from harness.run.searching.trials import Trial

SPACE = {
    "rate": Dimension(1e-4, 1e-1, True, (), False),
    "width": Dimension(1, 8, False, (), True),
    "kind": Dimension(0, 0, False, ("a", "b"), False),
}


def ask(trials, **options):
    return suggest(trials, SPACE, len(trials), **{"seed": 0, "together": 1, "higher_is_better": False, **options})


def searched(number, value, **options):
    """Trials of a function of their point."""
    trials = []
    for _ in range(number):
        point = ask(trials, **options)
        trials.append(Trial(number=len(trials), point=point, end="done", values=[value(point)]))
    return trials


def by_width(point):
    return abs(point["width"] - 6) + 100 * point["rate"]


def test_points_lie_in_the_space_and_can_be_written_by_hand():
    for trial in searched(15, by_width):
        rate, width, kind = trial.point["rate"], trial.point["width"], trial.point["kind"]
        assert 1e-4 <= rate <= 1e-1
        assert float(f"{rate:.4g}") == rate
        assert isinstance(width, int)
        assert 1 <= width <= 8
        assert kind in ("a", "b")


def test_a_suggestion_depends_on_the_trials_and_the_seed_alone():
    trials = searched(12, by_width)
    assert ask(trials) == ask(trials)  # nothing is kept between two suggestions, as after a kill
    assert ask(trials) != ask(trials, seed=1)
    assert len({str(trial.point) for trial in trials}) == len(trials)


def test_a_point_comes_again_only_when_there_is_no_other():
    """Three trials of three choices were one point, tried three times."""
    space = {"kind": Dimension(0, 0, False, (0.5, 1.0, 2.0), False)}
    trials = []
    for number in range(4):
        point = suggest(trials, space, number, seed=0, together=1, higher_is_better=False)
        trials.append(Trial(number=number, point=point, end="done", values=[1.0]))
    assert {trial.point["kind"] for trial in trials[:3]} == {0.5, 1.0, 2.0}


def test_the_search_learns():
    trials = searched(30, by_width)
    early, late = (sum(trial.values[0] for trial in part) / 10 for part in (trials[:10], trials[20:]))
    assert late < early / 2
    assert searched(30, lambda point: -by_width(point), higher_is_better=True)[-1].point == trials[-1].point


def test_trials_that_are_asked_together_lie_apart():
    trials = searched(15, by_width, together=3)
    batch = []
    for _ in range(3):
        batch.append(Trial(number=len(trials) + len(batch), point=ask([*trials, *batch], together=3)))
    assert len({str(trial.point) for trial in batch}) == 3


def test_trials_without_a_value_are_told_too():
    ends = ("stopped", "diverged", "failed", "done", "running")
    trials = searched(12, by_width)
    trials = [
        trial.model_copy(update={"end": ends[trial.number % 5], "values": [] if trial.number % 5 == 4 else trial.values})
        for trial in trials
    ]
    assert ask(trials) == ask(trials)


def test_rounded_values_stay_in_their_range():
    assert rounded(0.123456789, SPACE["rate"]) == 0.1
    assert rounded(0.0123456789, SPACE["rate"]) == 0.01235
    assert rounded(0.99999, Dimension(0, 0.99999, False, (), False)) == 0.99999


def test_without_optuna_there_is_one_message(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UserError, match=r"search needs optuna .*: pip install 'finetune-harness\[search\]'"):
        check_installed()
