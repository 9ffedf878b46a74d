"""The control arms of every comparison: the base as it is, and continued pretraining."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from harness import Config, Method, hookimpl
from harness.training.optimizer import OptimizerConfig

__version__ = "1"


class PretrainingOptimizer(OptimizerConfig):
    """The optimiser of the published toy pretraining of arXiv 2301.13362: RMSprop at 1e-3, gradient norm at most 1."""

    name: Literal["adam", "adamw", "rmsprop", "sgd"] = Field("rmsprop", description="algorithm, as in torch.optim")
    clip: float | None = Field(1.0, gt=0, description="largest norm of the gradient over all parameters; none: no clipping")


class MLEConfig(Config):
    """Settings of `mle`."""

    optimizer: PretrainingOptimizer = Field(PretrainingOptimizer(), description="optimiser of the network")


@hookimpl
def harness_methods() -> Sequence[Method]:
    """Provide both control arms."""
    return [
        Method(
            "none",
            build="harness_controls.none:Nothing",
            summary="the base as it is, evaluated like every method",
            trains=False,
        ),
        Method(
            "mle",
            build="harness_controls.mle:MLE",
            summary="the pretraining loss on real data: pretrains bases, and is the control arm of fine-tuning",
            config=MLEConfig,
            needs=frozenset({"Trains"}),
            from_scratch=True,
            accumulates=True,
            augments=True,
        ),
    ]
