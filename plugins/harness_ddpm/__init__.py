"""Denoising diffusion in discrete steps (DDPM): a small network for points, and ancestral sampling."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from harness import Config, Model, Sampler, hookimpl

__version__ = "1"


class DDPMConfig(Config):
    """The chain of noise levels and the network's width."""

    steps: int = Field(10, ge=1, le=10_000, description="diffusion steps T; sampling calls the network T times")
    width: int = Field(128, ge=1, le=8192, description="hidden units a layer")
    schedule: Literal["sigmoid", "linear", "quadratic", "cosine"] = Field(
        "sigmoid", description="how beta grows over the steps; cosine ignores beta_start and beta_end"
    )
    beta_start: float = Field(1e-5, gt=0, lt=1, description="smallest beta (sigmoid: its lower asymptote)")
    beta_end: float = Field(1e-2, gt=0, lt=1, description="largest beta (sigmoid: its upper asymptote)")
    variance: Literal["beta", "posterior"] = Field(
        "beta", description="variance of a sampling step: beta_t, or the forward posterior's given the data"
    )

    @model_validator(mode="after")
    def _grows(self) -> Self:
        if self.beta_start > self.beta_end:
            raise ValueError(f"beta_start ({self.beta_start}) is above beta_end ({self.beta_end})")
        return self


@hookimpl
def harness_models() -> list[Model]:
    """The toy network of the SFT-PG paper."""
    return [
        Model(
            "ddpm-mlp",
            config=DDPMConfig,
            build="harness_ddpm.model:build",
            provides=frozenset({"Trains", "Likelihood", "Transitions"}),
            sampler="ancestral",
            summary="DDPM for points: MLP with a learned gain a step (SFT-PG's toy network)",
        )
    ]


@hookimpl
def harness_samplers() -> list[Sampler]:
    """Works for every model with Gaussian transitions."""
    return [
        Sampler(
            "ancestral",
            build="harness_ddpm.sampler:build",
            needs=frozenset({"Transitions"}),
            summary="the model's own chain of Gaussian steps, noise included at the last one",
        )
    ]
