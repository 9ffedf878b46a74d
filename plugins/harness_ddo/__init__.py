"""DDO, direct discriminative optimisation (arXiv 2503.01103)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field, PositiveInt, model_validator

from harness import Config, Method, UserError, hookimpl
from harness.components import MethodUsage
from harness.toolkit.named_settings import filled
from harness.training.optimizer import OptimizerConfig

__version__ = "1"


class DDOOptimizer(OptimizerConfig):
    """Adam at the paper's rate for EDM on CIFAR-10; the paper also warms up over the whole round (`warmup: 1`)."""

    lr: float = Field(1.5e-4, gt=0, description="peak learning rate")


# The published training of VAR-d16 on ImageNet 256×256, with 1024 images a step; the weight decay is VAR's own.
PRESETS: Mapping[str, Mapping[str, object]] = {
    "var": {
        "alpha": 50.0, "beta": 0.02, "fakes": "online", "same_labels": True, "drop_label": 0.5, "divide": True,
        "optimizer": {"name": "adamw", "lr": 4e-6, "betas": (0.9, 0.95), "weight_decay": 0.05},
    },
}  # fmt: skip


class DDOConfig(Config):
    """Settings of `ddo`."""

    ADDED_LATER = frozenset({"preset", "fakes", "same_labels", "drop_label", "divide", "samples_as"})

    preset: Literal["var"] | None = Field(
        None, description="var: settings of the published training of VAR, where no value is given here"
    )
    alpha: float = Field(1.0, gt=0, le=1000, description="weight of the generated half; the paper sweeps 0.5 to 50")
    beta: float = Field(
        0.02,
        gt=0,
        le=1000,
        description="scale of the log-likelihood ratios, which are sums over dimensions: 0.02 belongs to 3072 of them; "
        "start at 0.02 * 3072 / D for D",
    )
    rounds: PositiveInt = Field(
        1, description="parts of equal length that the steps are cut into; at the start of each, the model becomes the reference"
    )
    bank_size: PositiveInt = Field(10_000, description="samples of the reference to draw for each round")
    n_mc: PositiveInt = Field(
        1, description="draws that each log-likelihood ratio is averaged over, before the sigmoid; more draws tighten the bound"
    )
    shared_draw: bool = Field(
        True, description="use the same random draws for the real and the generated half of a batch, as the paper does"
    )
    optimizer: DDOOptimizer = Field(DDOOptimizer(), description="optimiser of the network; each round begins with a new one")
    fakes: Literal["bank", "online"] = Field(
        "bank", description="bank: `bank_size` fakes, drawn once a round; online: new samples of the reference in each step"
    )
    samples_as: Literal["images", "tokens"] = Field(
        "images",
        description="form of the fakes: images, which a model of tokens encodes again, as it does real ones; or the tokens as "
        "they were drawn",
    )
    same_labels: bool = Field(False, description="give each fake the label of the real example beside it")
    drop_label: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="probability that a pair loses its label: its real example then weighs max(alpha, 1), its fake nothing, "
        "which keeps the unconditional half of guidance as it was",
    )
    divide: bool = Field(False, description="divide the loss by max(alpha, 1), so that the learning rate need not follow alpha")

    @model_validator(mode="before")
    @classmethod
    def _from_preset(cls, settings: object) -> object:
        return filled(settings, PRESETS)


def check(config: DDOConfig, usage: MethodUsage) -> None:
    """Check the settings about labels and tokens. Raises: UserError when model, sampler or data lack what they ask for."""
    if config.samples_as == "tokens" and (reason := usage.lacks_tokens):
        raise UserError(f"{reason}, which ddo needs for samples_as: tokens")
    if config.drop_label and "NullLabel" not in usage.model.provides:
        raise UserError(f"{usage.model.name} lacks NullLabel, which ddo needs for drop_label = {config.drop_label:g}")
    if (config.same_labels or config.drop_label) and not usage.data.classes:
        raise UserError("the data have no labels, which ddo needs for same_labels and drop_label")


@hookimpl
def harness_methods() -> Sequence[Method]:
    """Provide the method."""
    return [
        Method(
            "ddo",
            build="harness_ddo.method:DDO",
            summary="direct discriminative optimisation: the likelihood ratio to a reference as a GAN discriminator",
            config=DDOConfig,
            needs=frozenset({"Likelihood"}),
            smoke={"bank_size": 64},
            accumulates=True,
            check="harness_ddo:check",
        )
    ]
