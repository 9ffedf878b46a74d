"""Rounds: parts of a training, each of which starts from weights that the rounds before it gave. Imports no torch.

The settings of a method with rounds derive from `RoundsConfig`. The training loop then cuts the steps into rounds, chooses the
weights that each round starts from, and calls the method's `begin_round`.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal, TypeVar, Union

from pydantic import Field, PositiveInt, ValidationError, model_validator

from harness.config import Config
from harness.validation import first_fault

Number = TypeVar("Number")
ByRound = Union[Number, tuple[Number, ...], dict[int, Number]]  # noqa: UP007 - mypy takes a bare type variable here only
"""A setting that may change from round to round: one number for all; a list, whose last value goes on; or the first round of
each value, `{1: 1.6, 17: 3.0}`. Rounds count from 1 in settings."""


@dataclass(frozen=True)
class Round:
    """A part of the training that a method trains without a break.

    Args:
        number: number of the round, from 0.
        candidate: which of the settings that the round tries, from 0; always 0 without `search_each_round`.
        first_step: the `index` of the round's first step.
        steps: number of steps, at least 1.
        starts_after: steps that the loop has taken before, over all rounds and candidates.
    """

    number: int
    candidate: int
    first_step: int
    steps: int
    starts_after: int


@dataclass(frozen=True)
class RoundSchedule:
    """The rounds of a training, in their order: round by round, and within a round candidate by candidate.

    Step i of all `steps` belongs to the round floor(i * rounds / steps): lengths differ by one at most. A round without a step is
    left out. Each candidate of a round takes the steps of the round, with the same indices.

    Args:
        steps: steps of the training, at least 1. Those of further candidates come on top.
    """

    steps: int
    rounds: int = 1
    candidates: int = 1

    @property
    def total(self) -> int:
        """The number of steps that the loop takes, over all candidates."""
        return self.steps * self.candidates

    @cached_property
    def all(self) -> tuple[Round, ...]:
        """All rounds; of a round with candidates, one for each candidate."""
        firsts = [-(-number * self.steps // self.rounds) for number in range(self.rounds + 1)]  # -(-a // b) rounds up
        return tuple(
            Round(number, candidate, first, after - first, first * self.candidates + candidate * (after - first))
            for number, (first, after) in enumerate(itertools.pairwise(firsts))
            for candidate in range(self.candidates)
            if after > first
        )

    def of_next_step(self, taken: int) -> Round:
        """Return the round of the step that follows so many steps, over all rounds and candidates."""
        return self.all[bisect.bisect_right([part.starts_after for part in self.all], taken) - 1]

    def numbers(self, part: Round) -> dict[str, int]:
        """Return the number of a round as `round` and that of its candidate as `candidate`, from 1, where there are several."""
        numbers = {"round": part.number + 1} if self.rounds > 1 else {}
        return {**numbers, "candidate": part.candidate + 1} if self.candidates > 1 else numbers

    def of_last_step(self, taken: int) -> Round:
        """Return the round of the last of so many steps; the first round where no step was taken."""
        return self.of_next_step(max(taken - 1, 0))


class RoundsConfig(Config):
    """Settings of a method whose training has rounds."""

    BY_ROUND: ClassVar[frozenset[str]] = frozenset()
    """Names of the settings that may be `ByRound`, and that `search_each_round` may name."""
    ADDED_LATER: ClassVar[frozenset[str]] = frozenset({"reference", "reference_weights", "search_each_round"})

    rounds: PositiveInt = Field(
        1, description="parts of equal length that the steps are cut into; at the start of each, the model becomes the reference"
    )
    reference: Literal["last", "best"] = Field(
        "last",
        description="weights that the next round starts from. last: those at the end of the round; best: those of the best point "
        "of the curve, among the points of the round and the round's own start, so that a round that made nothing better "
        "changes nothing",
    )
    reference_weights: Literal["averaged", "raw"] = Field(
        "averaged",
        description="averaged: the weights that would be evaluated, which are averages where the training has `ema`; raw: the "
        "network's own weights at that moment",
    )
    search_each_round: dict[str, tuple[float, ...]] | None = Field(
        None,
        description="values of settings to try in every round, by name: all combinations start from the same weights, and the "
        "best point of all of them starts the next round; each costs the steps of the round",
    )

    @property
    def unused(self) -> frozenset[str]:
        """Names of the settings about what a single round leaves to the next, and of those by round that have no value.

        So are the own values of settings that each round searches.
        """
        valueless = {name for name in self.BY_ROUND if getattr(self, name) is None}
        searched = {"search_each_round"} if self.search_each_round is None else set(self.search_each_round)
        next_round = {"reference", "reference_weights"} if self.rounds == 1 else set()
        return frozenset(valueless | searched | next_round)

    @property
    def chooses(self) -> bool:
        """Whether the curve decides about the weights that a round starts from."""
        return self.reference == "best"

    @property
    def candidates(self) -> Sequence[Mapping[str, float]]:
        """The settings that each round tries, by name; one candidate without settings where nothing is searched.

        Their order does not depend on that of the names, since keys and checkpoints do not know it.
        """
        grid = dict(sorted((self.search_each_round or {}).items()))
        return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]

    def schedule(self, steps: int) -> RoundSchedule:
        """Return the rounds of a training of so many steps."""
        return RoundSchedule(steps, self.rounds, len(self.candidates))

    def points_of_round(self, points: int, points_in_round: int | None = None) -> int | None:
        """Return how many points of a curve each candidate of each round has; None where points are spread over all steps.

        Args:
            points: of a training of one round, beside the one at the start. Rounds that choose by the curve share them, and
                round their share up.
            points_in_round: of each round of a training of several, in the place of the share.
        """
        if self.rounds > 1 and points_in_round is not None:
            return points_in_round
        return -(-points // self.rounds) if self.chooses else None

    def curve_points(self, steps: int, points: int, points_in_round: int | None = None) -> int:
        """Return how many points a curve has in all, over rounds and candidates, with the one at the start.

        Args:
            steps: of the training. A round of fewer steps than points has a point at each step.
        """
        of_round, schedule = self.points_of_round(points, points_in_round), self.schedule(steps)
        if of_round is None:
            return min(points, schedule.total) + 1
        return sum(min(of_round, part.steps) for part in schedule.all) + 1

    def value(self, name: str, part: Round) -> float | None:
        """Return a setting of BY_ROUND in a round: the candidate's value, or else the setting's own; None where it has none."""
        if name in (tried := self.candidates[part.candidate]):
            return tried[name]
        setting: object = getattr(self, name)
        if isinstance(setting, tuple):
            return float(setting[min(part.number, len(setting) - 1)])
        if isinstance(setting, Mapping):
            return float(setting[max(first for first in setting if first <= part.number + 1)])
        return float(setting) if isinstance(setting, int | float) else None

    def values(self, part: Round) -> dict[str, float]:
        """Return the settings of BY_ROUND that have a value in a round, by name."""
        values = {name: self.value(name, part) for name in sorted(self.BY_ROUND)}
        return {name: value for name, value in values.items() if value is not None}

    @model_validator(mode="after")
    def _rounds_of_values(self) -> RoundsConfig:
        for name in sorted(self.BY_ROUND):
            setting: object = getattr(self, name)
            if isinstance(setting, tuple) and not 0 < len(setting) <= self.rounds:
                raise ValueError(f"{name} has {len(setting)} values for {self.rounds} rounds")
            if isinstance(setting, Mapping) and (1 not in setting or min(setting) < 1):
                raise ValueError(f"{name} needs a value from round 1 on, as in {{1: 1.6, 17: 3.0}}, not {setting}")
            if isinstance(setting, Mapping) and max(setting) > self.rounds:
                raise ValueError(f"{name} has a value from round {max(setting)} on, and there {_are(self.rounds)}")
        return self

    @model_validator(mode="after")
    def _search(self) -> RoundsConfig:
        if self.search_each_round is None:
            return self
        if not self.chooses:
            raise ValueError("search_each_round chooses by the curve: it needs `reference: best`")
        if unknown := sorted(self.search_each_round.keys() - self.BY_ROUND):
            raise ValueError(f"search_each_round knows {', '.join(sorted(self.BY_ROUND))}, not {', '.join(unknown)}")
        if not self.search_each_round:
            raise ValueError("search_each_round names no setting: give values of some, or leave it out")
        if empty := [name for name, values in self.search_each_round.items() if len(set(values)) < max(len(values), 1)]:
            raise ValueError(f"search_each_round needs values for {', '.join(empty)}, each once")
        for tried in self.candidates:
            settings = {**self.model_dump(), **tried, "search_each_round": None}
            try:
                type(self).model_validate(settings)
            except ValidationError as error:
                raise ValueError(f"search_each_round: {first_fault(error, settings)}") from None
        return self


def _are(rounds: int) -> str:
    return "is 1 round" if rounds == 1 else f"are {rounds} rounds"


NO_ROUNDS = RoundsConfig()
"""The settings of a method that has no rounds: all steps are one."""


def rounds_of(config: object) -> RoundsConfig:
    """Return a method's settings about rounds."""
    return config if isinstance(config, RoundsConfig) else NO_ROUNDS
