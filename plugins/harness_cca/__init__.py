"""CCA, condition contrastive alignment (arXiv 2410.09347)."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from harness import Config, Method, UserError, hookimpl
from harness.components import MethodUsage
from harness.training.optimizer import OptimizerConfig

__version__ = "1"


class CCAOptimizer(OptimizerConfig):
    """Adam at the published rate for VAR, with a batch of 256."""

    lr: float = Field(2e-5, gt=0, description="peak learning rate")


class CCAConfig(Config):
    """Settings of `cca`."""

    beta: float = Field(0.02, gt=0, le=1000, description="scale of the log-likelihood ratios, which are sums over tokens")
    weight: float = Field(
        50.0, gt=0, le=10_000, description="lambda, the weight of wrong labels; published: 50 to 1000, larger for larger models"
    )
    drop_label: float = Field(
        0.1, ge=0, lt=1, description="probability that an example loses its label, and with it its negative"
    )
    optimizer: CCAOptimizer = Field(CCAOptimizer(), description="optimiser of the network")


def check(config: CCAConfig, usage: MethodUsage) -> None:  # noqa: ARG001 - the data alone decide
    """Check that there are labels to contrast. Raises: UserError for data of fewer than two classes."""
    if usage.data.classes < 2:
        raise UserError(f"cca contrasts labels, and the data have {usage.data.classes or 'none'}")


@hookimpl
def harness_methods() -> Sequence[Method]:
    """Provide the method."""
    return [
        Method(
            "cca",
            build="harness_cca.method:CCA",
            summary="condition contrastive alignment: images with their own labels against wrong ones; needs no samples",
            config=CCAConfig,
            needs=frozenset({"Likelihood", "NullLabel"}),
            check="harness_cca:check",
            accumulates=True,
            version="2",
        )
    ]
