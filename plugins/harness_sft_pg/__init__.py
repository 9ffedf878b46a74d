"""Shortcut fine-tuning (arXiv 2301.13362): lower an integral probability metric to the data through a learned critic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, PositiveInt

from harness import Config, Method, hookimpl
from harness.training.optimizer import OptimizerConfig

__version__ = "1"


class GeneratorOptimizer(OptimizerConfig):
    """Adam at the paper's rate for the toy problems; for images the paper has 1e-6 and `clip: 0.1`."""

    lr: float = Field(5e-5, gt=0, description="peak learning rate")


NetworkKind = Literal["auto", "toy", "image"]


class ShortcutConfig(Config):
    """Settings of `sft`, and those that `sft-pg` shares with it. The defaults are those of the published toy experiments."""

    ADDED_LATER = frozenset({"critic", "critic_features"})

    n_critic: PositiveInt = Field(5, description="critic updates before each generator phase; each harness step takes one")
    n_generator: PositiveInt = Field(1, description="generator updates in a phase")
    critic: NetworkKind = Field(
        "auto",
        description="toy: two hidden layers on the flattened example; image: the published convolutions, with fewer halvings "
        "below 32 pixels a side; auto: image from 32 pixels a side on, toy otherwise",
    )
    critic_width: PositiveInt = Field(256, description="hidden units of the toy critic and of the toy value network")
    critic_features: PositiveInt = Field(
        64, description="half the width of the image critic's first layer; the paper says 128, its code has 64"
    )
    gradient_penalty: float = Field(
        0.001, ge=0, description="weight of the gradient penalty (|grad f| - 1)^2 in the critic's loss, where there is one"
    )
    generator_optimizer: GeneratorOptimizer = Field(GeneratorOptimizer(), description="optimiser of the network")
    critic_optimizer: OptimizerConfig = Field(OptimizerConfig(), description="optimiser of the critic")

    @property
    def unused(self) -> frozenset[str]:
        """Sizes of networks of the form that the critic does not have."""
        return frozenset({"toy": {"critic_features"}, "image": {"critic_width"}, "auto": set[str]()}[self.critic])


class SFTPGConfig(ShortcutConfig):
    """Settings of `sft-pg`."""

    ADDED_LATER = ShortcutConfig.ADDED_LATER | {"value", "value_widths", "grey_levels"}

    regulariser: Literal["baseline", "gradient-penalty", "spectral-norm"] = Field(
        "baseline",
        description="what keeps the critic smooth: the value network's squared error, a gradient penalty, or layers of spectral "
        "norm 1",
    )
    regulariser_weight: float = Field(
        0.1, ge=0, description="lambda: weight of the value network's squared error, summed over the sampler's steps"
    )
    grey_levels: int | None = Field(
        None,
        ge=2,
        le=256,
        description="clip samples to [-1, 1] and round them to so many levels before the critic sees them, as real images are "
        "stored: 256 for bytes, 17 for scikit-learn's digits; by default it sees them as the sampler gives them",
    )
    log_prob: Literal["sum", "mean"] = Field(
        "sum",
        description="how log-probabilities of transitions are reduced over dimensions; the published image code "
        "takes the mean, its toy code the sum",
    )
    value: NetworkKind = Field(
        "auto",
        description="toy: two hidden layers of critic_width; image: three of value_widths; auto: the rule of critic's auto",
    )
    value_widths: tuple[PositiveInt, PositiveInt, PositiveInt] = Field(
        (1024, 1024, 256), description="hidden units of the image value network"
    )
    value_optimizer: OptimizerConfig = Field(OptimizerConfig(), description="optimiser of the value network")

    @property
    def unused(self) -> frozenset[str]:
        """Sizes of networks of a form that none here has, and the weight of a penalty that is not paid."""
        names = set(super().unused)
        if self.value != "image":
            names.discard("critic_width")
        if self.value == "toy":
            names.add("value_widths")
        if self.regulariser != "gradient-penalty":
            names.add("gradient_penalty")
        return frozenset(names)


@hookimpl
def harness_methods() -> Sequence[Method]:
    """Provide both methods."""
    return [
        Method(
            "sft-pg",
            build="harness_sft_pg.policy:SFTPG",
            summary="shortcut fine-tuning with policy gradient: a critic's values, no gradient through the sampler",
            config=SFTPGConfig,
            needs=frozenset({"Transitions"}),
            accumulates=True,
            check="harness_sft_pg.choice:check",
            smoke={"critic_width": 16, "critic_features": 4, "value_widths": (16, 16, 16)},
        ),
        Method(
            "sft",
            build="harness_sft_pg.pathwise:SFT",
            summary="shortcut fine-tuning: a critic's gradient through all steps of the sampler",
            config=ShortcutConfig,
            needs=frozenset({"Transitions"}),
            accumulates=True,
            check="harness_sft_pg.choice:check",
            smoke={"critic_width": 16, "critic_features": 4},
        ),
    ]
