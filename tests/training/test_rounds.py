"""Rounds: where they begin and end, and which settings they have."""

import itertools

import pytest
from pydantic import Field, ValidationError

from harness.store.keys import digest
from harness.training.rounds import NO_ROUNDS, ByRound, RoundSchedule, RoundsConfig, rounds_of


class Settings(RoundsConfig):
    BY_ROUND = frozenset({"rate"})
    rate: ByRound[float] | None = Field(None, description="x")


@pytest.mark.parametrize(("steps", "rounds"), [(7, 3), (10, 4), (5, 5), (12, 1)])
def test_rounds_cover_all_steps_and_differ_by_one_at_most(steps, rounds):
    parts = RoundSchedule(steps, rounds).all
    assert [part.number for part in parts] == list(range(rounds))
    assert [part.first_step for part in parts] == [0, *itertools.accumulate(part.steps for part in parts[:-1])]
    assert sum(part.steps for part in parts) == steps
    assert max(part.steps for part in parts) - min(part.steps for part in parts) <= 1
    assert all(
        index * rounds // steps == part.number for part in parts for index in range(part.first_step, part.first_step + part.steps)
    )


def test_candidates_of_a_round_follow_each_other_with_the_same_steps():
    schedule = RoundSchedule(5, rounds=2, candidates=2)
    found = [(part.number, part.candidate, part.first_step, part.steps, part.starts_after) for part in schedule.all]
    assert found == [(0, 0, 0, 3, 0), (0, 1, 0, 3, 3), (1, 0, 3, 2, 6), (1, 1, 3, 2, 8)]
    assert schedule.total == 10
    assert [schedule.all.index(schedule.of_next_step(taken)) for taken in range(10)] == [0, 0, 0, 1, 1, 1, 2, 2, 3, 3]
    assert [schedule.all.index(schedule.of_last_step(taken)) for taken in range(11)] == [0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 3]
    assert schedule.numbers(schedule.all[3]) == {"round": 2, "candidate": 2}
    assert RoundSchedule(5).numbers(RoundSchedule(5).all[0]) == {}


@pytest.mark.parametrize(("settings", "points", "in_round", "of_round", "in_all"), [
    ({"rounds": 12, "reference": "best"}, 10, None, 1, 13),  # the end of each round alone
    ({"rounds": 12, "reference": "best"}, 10, 3, 3, 37),
    ({"rounds": 4, "reference": "best"}, 8, None, 2, 9),
    ({"rounds": 4}, 10, None, None, 11),  # spread over all steps
    ({"rounds": 4}, 10, 3, 3, 13),
    ({}, 10, 3, None, 11),  # one round
    ({"reference": "best"}, 10, 3, 10, 11),
    ({"rounds": 12, "reference": "best", "search_each_round": {"rate": (1, 2)}}, 10, 3, 3, 73),
    ({"rounds": 12, "reference": "best"}, 10, 50, 50, 241),  # a round has 20 steps
])  # fmt: skip
def test_the_points_of_a_curve_are_shared_by_rounds_or_are_each_rounds_own(settings, points, in_round, of_round, in_all):
    config = Settings(**settings)
    assert config.points_of_round(points, in_round) == of_round
    assert config.curve_points(240, points, in_round) == in_all


def test_rounds_without_a_step_are_left_out():
    assert [part.number for part in RoundSchedule(2, rounds=5).all] == [0, 2]


@pytest.mark.parametrize(("rate", "expected"), [
    (0.5, [0.5] * 4),
    ((0.5, 0.25), [0.5, 0.25, 0.25, 0.25]),  # the last value goes on
    ({1: 1.6, 3: 3.0}, [1.6, 1.6, 3.0, 3.0]),
    (None, [None] * 4),
])  # fmt: skip
def test_a_setting_by_round_has_a_value_in_each(rate, expected):
    config = Settings(rounds=4, rate=rate)
    assert [config.value("rate", part) for part in config.schedule(4).all] == expected


def test_candidates_are_all_combinations_and_win_over_the_setting():
    config = Settings(rate=9.0, reference="best", search_each_round={"rate": (1, 2)})
    assert [config.values(part) for part in config.schedule(4).all] == [{"rate": 1.0}, {"rate": 2.0}]


def test_candidates_do_not_depend_on_the_order_of_names_as_keys_do_not():
    class Two(Settings):
        BY_ROUND = frozenset({"rate", "slope"})
        slope: ByRound[float] | None = Field(None, description="x")

    orders = [{"rate": (1, 2), "slope": (3, 4)}, {"slope": (3, 4), "rate": (1, 2)}]
    first, second = (Two(reference="best", search_each_round=grid) for grid in orders)
    assert digest(settings=first.identity) == digest(settings=second.identity)
    assert first.candidates == second.candidates


@pytest.mark.parametrize(("settings", "text"), [
    ({"rate": [1, 2, 3], "rounds": 2}, "rate has 3 values for 2 rounds"),
    ({"rate": {2: 1.0}}, "rate needs a value from round 1 on"),
    ({"search_each_round": {"rate": [1]}}, "it needs `reference: best`"),
    ({"search_each_round": {"rat": [1]}, "reference": "best"}, "search_each_round knows rate, not rat"),
    ({"rate": {1: 1.0, 5: 3.0}, "rounds": 2}, "rate has a value from round 5 on, and there are 2 rounds"),
    ({"search_each_round": {}, "reference": "best"}, "search_each_round names no setting"),
    ({"search_each_round": {"rate": []}, "reference": "best"}, "needs values for rate, each once"),
])  # fmt: skip
def test_a_wrong_setting_is_refused_with_a_reason(settings, text):
    with pytest.raises(ValidationError, match=text):
        Settings.model_validate(settings)


def test_what_changes_nothing_is_unused():
    assert Settings().unused == {"rate", "search_each_round", "reference", "reference_weights"}
    assert Settings(rate=1.0, rounds=2).unused == {"search_each_round"}
    assert Settings(rate=1.0, rounds=2, reference="best", search_each_round={"rate": [1, 2]}).unused == {"rate"}


def test_a_method_without_rounds_has_one():
    assert rounds_of(None) is NO_ROUNDS
    assert len(NO_ROUNDS.schedule(8).all) == 1
    assert not NO_ROUNDS.chooses


def test_settings_of_older_boards_keep_their_identity():
    assert RoundsConfig(rounds=4).identity == {"rounds": 4}
