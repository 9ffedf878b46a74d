"""DDO, direct discriminative optimisation (arXiv 2503.01103)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from harness import Method, Model, UserError, hookimpl
from harness.components import MethodUsage
from harness.training.optimizer import OptimizerConfig
from harness.training.rounds import ByRound, RoundsConfig
from harness_ddo.presets import filled_from_preset

__version__ = "1"


class DDOOptimizer(OptimizerConfig):
    """Adam at the paper's rate for EDM on CIFAR-10; the paper also warms up over the whole round (`warmup: 1`)."""

    lr: float = Field(1.5e-4, gt=0, description="peak learning rate")


Scale = Annotated[float, Field(gt=0, le=1000)]


class DDOConfig(RoundsConfig):
    """Settings of `ddo`."""

    BY_ROUND = frozenset({"alpha", "beta", "rate", "p_mean", "p_std"})
    ADDED_LATER = RoundsConfig.ADDED_LATER | {
        "preset", "fakes", "same_labels", "drop_label", "divide", "samples_as", "grey_levels", "rate", "weight",
        "p_mean", "p_std",
    }  # fmt: skip

    preset: Literal["edm-cifar10", "edm2-img64", "edm2-img512", "var"] | None = Field(
        None, description="settings of the paper, or of its published training of VAR, where no value is given here"
    )
    alpha: ByRound[Scale] = Field(
        1.0, description="weight of the generated half; the paper sweeps 0.5 to 50. A number, or numbers by round"
    )
    beta: ByRound[Scale] = Field(
        0.02,
        description="scale of the log-likelihood ratios, which are sums over dimensions: 0.02 is for the data of the paper, no "
        "rule gives it for others: search it, and watch `logit_std`. A number, or numbers by round",
    )
    rate: ByRound[Annotated[float, Field(gt=0)]] | None = Field(
        None, description="peak learning rate, in the place of the optimiser's `lr`: a number, or numbers by round"
    )
    weight: Literal["model", "simple", "edm", "elbo"] = Field(
        "model",
        description="weight of the noise levels in the ratio of a diffusion model. model: as in its `log_likelihood`; simple: 1 "
        "for the error of the noise; edm: of EDM's training loss; elbo: of the bound, which alone gives nats",
    )
    p_mean: ByRound[Annotated[float, Field(ge=-20, le=20)]] | None = Field(
        None, description="mean of ln(sigma) in DDO's steps: a number, or numbers by round; by default the model's own"
    )
    p_std: ByRound[Annotated[float, Field(gt=0, le=20)]] | None = Field(
        None, description="standard deviation of ln(sigma), likewise: {1: 1.6, 17: 3.0} is 3.0 from round 17 on"
    )
    bank_size: PositiveInt = Field(10_000, description="samples of the reference to draw for each round")
    n_mc: PositiveInt = Field(
        1,
        description="draws that each log-likelihood ratio is averaged over, before the sigmoid; more draws tighten the bound, "
        "but where the likelihood is exact, as that of `var`, they only cost",
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
    grey_levels: int | None = Field(
        None,
        ge=2,
        le=256,
        description="clip fakes to [-1, 1] and round them to so many levels, as real images are stored: 256 for bytes, 17 for "
        "scikit-learn's digits; by default fakes stay as the sampler gives them",
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

    @property
    def unused(self) -> frozenset[str]:
        """Also the size of a bank that is not drawn, and the optimiser's rate where rounds have their own."""
        has_own_rate = self.rate is not None or "rate" in (self.search_each_round or {})
        no_bank = {"bank_size"} if self.fakes == "online" else set()
        return super().unused | no_bank | ({"optimizer.lr"} if has_own_rate else set())

    @model_validator(mode="before")
    @classmethod
    def _from_preset(cls, settings: object) -> object:
        return filled_from_preset(settings) if isinstance(settings, Mapping) else settings


def check(config: DDOConfig, usage: MethodUsage) -> None:
    """Check the settings about labels, tokens, grey levels and noise levels.

    Raises: UserError when model, sampler or data lack what they ask for.
    """
    check_levels(config, usage.model)
    if config.samples_as == "tokens" and (reason := usage.lacks_tokens):
        raise UserError(f"{reason}, which ddo needs for samples_as: tokens")
    if config.grey_levels and (reason := usage.lacks_levels):
        raise UserError(f"{reason}, which ddo needs for grey_levels: {config.grey_levels}; leave it out")
    if config.grey_levels and config.samples_as == "tokens":
        raise UserError("ddo: tokens have no grey levels: leave grey_levels out beside samples_as: tokens")
    if config.drop_label and "NullLabel" not in usage.model.provides:
        raise UserError(f"{usage.model.name} lacks NullLabel, which ddo needs for drop_label = {config.drop_label:g}")
    if (config.same_labels or config.drop_label) and not usage.data.classes:
        raise UserError("the data have no labels, which ddo needs for same_labels and drop_label")


def check_levels(config: DDOConfig, model: Model) -> None:
    """Check the settings about noise levels. Raises: UserError when the model has no such levels."""
    asked = [
        name for name in ("p_mean", "p_std") if getattr(config, name) is not None or name in (config.search_each_round or {})
    ]
    if config.weight == "elbo" and asked:
        raise UserError(f"ddo: the bound has its own noise levels: leave {' and '.join(asked)} out beside weight: elbo")
    if config.weight != "model":
        asked.append(f"weight: {config.weight}")
    if asked and "WeightedBound" not in model.provides:
        raise UserError(f"{model.name} lacks WeightedBound, which ddo needs for {' and '.join(asked)}")
    of_levels = [name for name in asked if name not in ("weight: simple", "weight: elbo")]
    if of_levels and "Denoises" not in model.provides:
        raise UserError(
            f"{model.name} has steps in the place of noise levels sigma, which ddo needs for {' and '.join(of_levels)}"
        )


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
