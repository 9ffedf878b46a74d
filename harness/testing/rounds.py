"""Rounds without a training loop, for tests of methods."""

from __future__ import annotations

from harness.training.method import FinetuneMethod
from harness.training.rounds import rounds_of


def begin_round_where_due(method: FinetuneMethod, index: int) -> None:
    """Begin a round from the weights as they are, where the step with this index is the first of a round but the very first.

    The harness does the same where the settings ask for `reference: last`. Candidates are not tried.
    """
    for part in rounds_of(method.config).schedule(method.task.steps).all:
        if part.candidate == 0 and part.first_step == index > 0:
            method.begin_round(part)
