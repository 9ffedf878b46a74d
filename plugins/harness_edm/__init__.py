"""Denoising with EDM's preconditioning: a small network for points, and deterministic sampling by Heun's method."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from harness import Config, Model, Sampler, hookimpl

__version__ = "1"


class EDMConfig(Config):
    """The network's size, and the noise levels it is trained on and sampled from."""

    width: int = Field(128, ge=1, le=8192, description="hidden units a layer")
    depth: int = Field(3, ge=1, le=64, description="hidden layers")
    sigma_data: float = Field(0.5, gt=0, description="standard deviation of the data that the scalings assume")
    p_mean: float = Field(-1.2, ge=-20, le=20, description="mean of ln(sigma) in training")
    p_std: float = Field(1.2, gt=0, le=20, description="standard deviation of ln(sigma) in training")
    sigma_min: float = Field(0.002, gt=0, description="smallest noise level of sampling, in units of the data")
    # Images use 80. Points of spread 0.3 to 0.5 are hidden well enough by 20, from where Heun at 18 steps makes samples
    # 3 % too wide instead of 6 % (worked out on Gaussian data, where the denoiser is exact; at 36 steps 0.8 %).
    sigma_max: float = Field(20.0, gt=0, description="largest noise level of sampling, in units of the data")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.sigma_min >= self.sigma_max:
            raise ValueError(f"sigma_min ({self.sigma_min}) is not below sigma_max ({self.sigma_max})")
        return self


class HeunConfig(Config):
    """Number and spacing of the noise levels."""

    steps: int = Field(18, ge=2, le=10_000, description="noise levels; the network is called 2 * steps - 1 times")
    rho: float = Field(7.0, ge=1, le=100, description="1 spaces the levels evenly; more puts them near sigma_min")


@hookimpl
def harness_models() -> list[Model]:
    """A denoiser for points."""
    return [
        Model(
            "edm-mlp",
            config=EDMConfig,
            build="harness_edm.model:build",
            provides=frozenset({"Trains", "Likelihood", "Denoises"}),
            sampler="heun",
            summary="EDM for points: preconditioned MLP denoiser, continuous noise levels",
        )
    ]


@hookimpl
def harness_samplers() -> list[Sampler]:
    """Works for every model that denoises."""
    return [
        Sampler(
            "heun",
            config=HeunConfig,
            build="harness_edm.sampler:build",
            needs=frozenset({"Denoises"}),
            smoke={"steps": 4},
            summary="EDM's deterministic second-order sampler (Heun), without churn",
        )
    ]
