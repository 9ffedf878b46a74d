"""The budgets of a board under `--smoke`. Networks, samplers and banks shrink as their plugins say."""

from __future__ import annotations

from harness.board.schema import BoardConfig, CurveConfig, EvaluationConfig
from harness.training.config import TrainingConfig


def training(board: BoardConfig, full: TrainingConfig) -> TrainingConfig:
    """Return a budget of a few steps with the full budget's batch."""
    steps = min(board.smoke.steps, full.steps)
    return full.model_copy(update={"images": steps * full.batch})


def evaluation(board: BoardConfig) -> EvaluationConfig:
    """Return the evaluation at the smallest number of samples, with few samples and at most two draws."""
    smallest = min(board.evaluation.by_size, key=lambda evaluation: evaluation.samples)
    samples = min(board.smoke.samples, smallest.samples)
    return smallest.model_copy(update={"samples": samples, "draws": min(2, smallest.draws)})


def curve(board: BoardConfig, full: CurveConfig) -> CurveConfig:
    """Return a curve of at most two points, with no more samples than the evaluation has."""
    samples = min(full.samples, evaluation(board).samples)
    return full.model_copy(update={"samples": samples, "points": min(full.points, 2)})
