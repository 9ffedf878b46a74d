"""Points of a search, suggested by Optuna's TPE from the trials so far. Every suggestion has a generator of its own, so that a
search that was killed asks for the same points as one that was not."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING

from harness.board.reading.searches import Dimension
from harness.board.search_settings import Value
from harness.errors import UserError
from harness.run.searching.trials import Trial

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution

DIGITS = 4
"""Significant digits of a number that the search chooses: people can read it, and write it by hand."""

ATTEMPTS = 32
"""Suggestions that are asked for where trials have had the point already. A space of few points may have no other."""


def check_installed() -> None:
    """Raises: UserError where Optuna is not installed."""
    try:
        import optuna  # noqa: F401 - whether it can be imported
    except ImportError as error:
        raise UserError(f"search needs optuna ({error}): pip install 'finetune-harness[search]'") from None


def suggest(
    trials: Sequence[Trial], space: Mapping[str, Dimension], number: int, *, seed: int, together: int, higher_is_better: bool
) -> dict[str, Value]:
    """Return the point of the next trial: one that no trial has, unless the space seems to have no other.

    Args:
        trials: all trials that were asked before. Running ones count as bad ones, so that trials that are asked together lie
            apart (Optuna's constant liar).
        number: of the new trial.
        seed: of the search.
        together: how many trials are asked at once.
    """
    tried = [trial.point for trial in trials]
    with _quiet() as library:
        distributions = {dotted: _distribution(dimension) for dotted, dimension in space.items()}
        frozen = [_frozen(trial, distributions) for trial in trials]
        for attempt in range(ATTEMPTS):
            own_seed = _seed(seed, number, attempt)
            sampler = library.samplers.TPESampler(seed=own_seed, constant_liar=together > 1, multivariate=False)
            study = library.create_study(direction="maximize" if higher_is_better else "minimize", sampler=sampler)
            study.add_trials(frozen)
            asked = study.ask(distributions)
            point = {dotted: rounded(asked.params[dotted], dimension) for dotted, dimension in space.items()}
            if point not in tried:
                break
        return point


def rounded(value: Value, dimension: Dimension) -> Value:
    """Return a value with few digits that still lies in its range; whole numbers and choices stay as they are."""
    if dimension.choices or dimension.is_whole or not isinstance(value, float):
        return value
    return min(max(float(f"{value:.{DIGITS}g}"), dimension.low), dimension.high)


def _seed(seed: int, number: int, attempt: int) -> int:
    """Return the seed of one suggestion."""
    text = f"{seed}/search/{number}" + (f"/{attempt}" if attempt else "")
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest())


def _distribution(dimension: Dimension) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if dimension.choices:
        return CategoricalDistribution(dimension.choices)
    if dimension.is_whole:
        return IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
    return FloatDistribution(dimension.low, dimension.high, log=dimension.log)


def _frozen(trial: Trial, distributions: Mapping[str, BaseDistribution]) -> optuna.trial.FrozenTrial:
    """Return a trial as Optuna keeps it. A trial that diverged counts as stopped without a value, which is worst of all."""
    from optuna.trial import TrialState, create_trial

    state = {
        "running": TrialState.RUNNING,
        "done": TrialState.COMPLETE,
        "stopped": TrialState.PRUNED,
        "diverged": TrialState.PRUNED,
        "failed": TrialState.FAIL,
    }[trial.end]
    return create_trial(
        state=state,
        value=trial.values[-1] if trial.end == "done" else None,
        params=dict(trial.point),
        distributions=dict(distributions),
        intermediate_values=dict(enumerate(trial.values)) if trial.end in ("done", "stopped") else {},
    )


@contextmanager
def _quiet() -> Iterator[ModuleType]:
    """Yield Optuna, which neither logs nor warns in the block: each suggestion is a study of its own to the library."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # constant_liar was an experiment in earlier versions
            yield optuna
    finally:
        optuna.logging.set_verbosity(before)
