"""Neon (arXiv 2510.03597): train on the model's own samples, then step away from the result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, PositiveInt

from harness import Config, Method, UserError, hookimpl
from harness.components import MethodUsage
from harness.training.optimizer import OptimizerConfig

__version__ = "1"


class NeonOptimizer(OptimizerConfig):
    """Adam at the rate of a fine-tuning."""

    lr: float = Field(1e-4, gt=0, description="peak learning rate")


class NeonConfig(Config):
    """Settings of `neon`."""

    ADDED_LATER = frozenset({"samples_as", "grey_levels"})

    w: float = Field(
        1.0,
        ge=-100,
        le=100,
        description="length of the step away: the result is (1 + w) base - w trained; 0 gives the base, -1 the trained weights, "
        "and values between a mean of both",
    )
    bank_size: PositiveInt = Field(10_000, description="samples of the base to train on, drawn once; the paper uses 1k to 90k")
    samples_as: Literal["images", "tokens"] = Field(
        "images",
        description="form of the samples: images, which a model of tokens encodes again; or the tokens as they were drawn",
    )
    grey_levels: int | None = Field(
        None,
        ge=2,
        le=256,
        description="clip samples to [-1, 1] and round them to so many levels, as real images are stored: 256 for bytes, 17 for "
        "scikit-learn's digits; by default samples stay as the sampler gives them",
    )
    optimizer: NeonOptimizer = Field(NeonOptimizer(), description="optimiser of the copy that is trained on the base's samples")


def check(config: NeonConfig, usage: MethodUsage) -> None:
    """Check that samples can be had in the form that the settings ask for. Raises: UserError where they cannot."""
    if config.samples_as == "tokens" and (reason := usage.lacks_tokens):
        raise UserError(f"{reason}, which neon needs for samples_as: tokens")
    if config.grey_levels and (reason := usage.lacks_levels):
        raise UserError(f"{reason}, which neon needs for grey_levels: {config.grey_levels}; leave it out")
    if config.grey_levels and config.samples_as == "tokens":
        raise UserError("neon: tokens have no grey levels: leave grey_levels out beside samples_as: tokens")


@hookimpl
def harness_methods() -> Sequence[Method]:
    """Provide the method."""
    return [
        Method(
            "neon",
            build="harness_neon.method:Neon",
            summary="negative extrapolation from training on own samples (arXiv 2510.03597); needs no real data",
            config=NeonConfig,
            needs=frozenset({"Trains"}),
            smoke={"bank_size": 64},
            accumulates=True,
            sees_data=False,
            merges=frozenset({"w"}),
            check="harness_neon:check",
        )
    ]
