"""DDO, direct discriminative optimisation (arXiv 2503.01103)."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field, PositiveInt

from harness import Config, Method, hookimpl
from harness.training.optimizer import OptimizerConfig

__version__ = "1"


class DDOOptimizer(OptimizerConfig):
    """Adam; the paper's rate is 1.5e-4 for EDM on CIFAR-10, with a warm-up over the whole round (`warmup: 1`)."""

    lr: float = Field(1.5e-4, gt=0, description="peak learning rate")


class DDOConfig(Config):
    """Settings of `ddo`."""

    alpha: float = Field(1.0, gt=0, le=1000, description="weight of the fakes; the paper sweeps 0.5 to 50")
    beta: float = Field(
        0.02, gt=0, le=1000,
        description="scale of the log-likelihood ratios, which are sums over dimensions: 0.02 belongs to 3072 of them; "
        "start at 0.02 * 3072 / D for D",
    )
    rounds: PositiveInt = Field(1, description="how often the reference is refreshed, at equal numbers of steps")
    bank_size: PositiveInt = Field(10_000, description="samples of the reference to draw for each round")
    n_mc: PositiveInt = Field(
        1, description="draws that each log-likelihood ratio is averaged over, before the sigmoid; more is tighter"
    )
    shared_draw: bool = Field(
        True, description="use the same random draws for the real and the generated half of a batch, as the paper does"
    )
    optimizer: DDOOptimizer = Field(DDOOptimizer(), description="optimiser of the network, fresh in each round")


@hookimpl
def harness_methods() -> Sequence[Method]:
    return [
        Method(
            "ddo",
            build="harness_ddo.method:DDO",
            summary="direct discriminative optimisation: the likelihood ratio to a reference as a GAN discriminator",
            config=DDOConfig,
            needs=frozenset({"Likelihood"}),
            smoke={"bank_size": 64},
            accumulates=True,
        )
    ]
