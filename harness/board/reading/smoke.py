"""What `--smoke` makes of a board's budgets. Networks, samplers and banks shrink by what their plugins say."""

from __future__ import annotations

from harness.board.schema import BoardConfig, CurveConfig, EvaluationConfig
from harness.training.config import TrainingConfig


def training(config: BoardConfig, full: TrainingConfig) -> TrainingConfig:
    """A few steps of the same batch."""
    steps = min(config.smoke.steps, full.steps)
    return full.model_copy(update={"images": steps * full.batch})


def evaluation(config: BoardConfig) -> EvaluationConfig:
    """That of the smallest number of samples."""
    smallest = min(config.evaluation.each, key=lambda one: one.samples)
    samples = min(config.smoke.samples, smallest.samples)
    return smallest.model_copy(update={"samples": samples, "draws": min(2, smallest.draws)})


def curve(config: BoardConfig, full: CurveConfig) -> CurveConfig:
    """Two points of no more samples than the evaluation has."""
    samples = min(full.samples, evaluation(config).samples)
    return full.model_copy(update={"samples": samples, "points": min(full.points, 2)})
