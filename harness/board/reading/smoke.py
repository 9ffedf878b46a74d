"""The budgets of a board under `--smoke`, and what stands in for extractors with files.

Networks, samplers and banks shrink as their plugins say.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from harness.board.components import Resolved
from harness.board.schema import BoardConfig, CurveConfig, EvaluationConfig
from harness.components import Component, Extractor
from harness.images.stand_in import StandInConfig, stand_in
from harness.training.config import TrainingConfig

C = TypeVar("C", bound=Component)


def without_files(resolved: Resolved[C]) -> Resolved[C]:
    """Return random features in the place of an extractor that needs files; any other component as it is."""
    component = resolved.component
    if not isinstance(component, Extractor) or not (component.check_ready or component.files):
        return resolved
    random_features = stand_in(component)
    settings = StandInConfig(outputs=dict(random_features.outputs))
    # The component is an extractor here, which a type checker does not see.
    return replace(resolved, component=random_features, settings=settings, version="stand-in")  # type: ignore[arg-type]


def training(board: BoardConfig, full: TrainingConfig) -> TrainingConfig:
    """Return a budget of a few steps with the full budget's batch, or with the smaller one that the board gives smoke runs."""
    steps, batch = min(board.smoke.steps, full.steps), min(board.smoke.batch or full.batch, full.batch)
    micro_batch = None if full.micro_batch is None else min(full.micro_batch, batch)
    return full.model_copy(update={"images": steps * batch, "batch": batch, "micro_batch": micro_batch})


def evaluation(board: BoardConfig) -> EvaluationConfig:
    """Return the evaluation at the smallest number of samples, with few samples and at most two draws."""
    smallest = min(board.evaluation.by_size, key=lambda evaluation: evaluation.samples)
    samples = min(board.smoke.samples, smallest.samples)
    return smallest.model_copy(update={"samples": samples, "draws": min(2, smallest.draws)})


def curve(board: BoardConfig, full: CurveConfig) -> CurveConfig:
    """Return a curve of at most two points, in a round too, with no more samples than the evaluation has."""
    samples = min(full.samples, evaluation(board).samples)
    in_round = None if full.points_in_round is None else min(full.points_in_round, 2)
    return full.model_copy(update={"samples": samples, "points": min(full.points, 2), "points_in_round": in_round})
