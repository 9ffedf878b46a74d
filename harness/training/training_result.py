"""The result of a training."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from harness.training.evaluations import Evaluations


@dataclass(frozen=True)
class TrainingResult:
    """The result of training.

    Args:
        weights: the weights to evaluate: those of the last step or of the best point. Where training
            averages weights, they are averages. Where the method merges weights, they are merged.
        seconds: time of steps and of drawing banks, over all resumes. Where the best point is selected, the time of the curve
            is included.
        network_evaluations: examples that went through networks during the work that `seconds` includes.
        curve: the curve's points, the place (`images` seen; `round` and `candidate`, where there are several) and the metric's
            `value`.
        selected_images: images seen at the selected point; None where nothing is selected.
        parameters: number of the network's parameters, as scalars.
        evaluations: the network evaluations by what they are; None where an older version began the training and did not count.
        steps: steps taken, those of all candidates included.
        seconds_training: the part of `seconds` without the curve.
    """

    weights: dict[str, Tensor]
    seconds: float
    network_evaluations: int
    curve: list[dict[str, float]]
    selected_images: int | None
    parameters: int = 0
    evaluations: Evaluations | None = None
    steps: int = 0
    seconds_training: float = 0.0
