"""Diffusion in discrete steps around any network that predicts noise: settings, schedules, the chain, and a shorter chain.

A forward chain adds noise: x_t = sqrt(1 - beta_t) x_(t-1) + sqrt(beta_t) * noise, so that x_t = sqrt(alpha_bar_t) x_0 +
sqrt(1 - alpha_bar_t) * eps, where alpha_bar_t is the product of 1 - beta_s over s <= t (Ho et al. 2020, Eqs. 2 and 4). A network
predicts eps from x_t, and sampling walks the chain backwards.

Importing this module costs no torch, since plugins derive their settings from what is here.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, PositiveInt, model_validator

from harness.config import Config


class ChainConfig(Config):
    """The noise levels of a diffusion chain."""

    steps: int = Field(10, ge=1, le=10_000, description="diffusion steps T; sampling calls the network T times")
    schedule: Literal["sigmoid", "linear", "quadratic", "cosine"] = Field(
        "sigmoid", description="how beta grows over the steps; cosine ignores beta_start and beta_end"
    )
    beta_start: float = Field(1e-5, gt=0, lt=1, description="smallest beta (sigmoid: its lower asymptote)")
    beta_end: float = Field(1e-2, gt=0, lt=1, description="largest beta (sigmoid: its upper asymptote)")
    variance: Literal["beta", "posterior"] = Field(
        "beta", description="variance of a sampling step: beta_t, or the forward posterior's given the data"
    )

    @property
    def unused(self) -> frozenset[str]:
        """Both betas, where the schedule is a cosine."""
        return frozenset({"beta_start", "beta_end"}) if self.schedule == "cosine" else frozenset()

    @model_validator(mode="after")
    def _grows(self) -> Self:
        if self.beta_start > self.beta_end:
            raise ValueError(f"beta_start ({self.beta_start}) is above beta_end ({self.beta_end})")
        return self


class ImageChainConfig(ChainConfig):
    """The chain that networks for images are trained on, as Ho et al. 2020 have it, and a shorter chain to sample by."""

    steps: int = Field(1000, ge=1, le=10_000, description="diffusion steps T of training")
    schedule: Literal["sigmoid", "linear", "quadratic", "cosine"] = Field(
        "linear", description="how beta grows over the steps; cosine ignores beta_start and beta_end"
    )
    beta_start: float = Field(1e-4, gt=0, lt=1, description="smallest beta (sigmoid: its lower asymptote)")
    beta_end: float = Field(2e-2, gt=0, lt=1, description="largest beta (sigmoid: its upper asymptote)")
    variance: Literal["beta", "posterior"] = Field(
        "posterior", description="variance of a step of the whole chain: beta_t, or the posterior's given the data"
    )
    sampling_steps: PositiveInt | None = Field(
        10, description="steps S of the sampling chain (FastDPM, VAR); none walks all T. Each calls the network once"
    )
    sampling_schedule: Literal["linear", "quadratic"] = Field("quadratic", description="how the variance grows over the S steps")
    kappa: float = Field(1.0, gt=0, le=1, description="noise of the S steps: 1 as in DDPM, towards 0 as in DDIM")

    @property
    def unused(self) -> frozenset[str]:
        """Also the settings of a shorter chain, where all steps are walked."""
        return super().unused | (frozenset({"sampling_schedule", "kappa"}) if self.sampling_steps is None else frozenset())

    @model_validator(mode="after")
    def _has_an_inverse(self) -> Self:
        if self.sampling_steps is None:
            return self
        if self.schedule != "linear":
            raise ValueError(
                f"sampling_steps ({self.sampling_steps}) needs the linear schedule, whose steps have a continuous inverse; "
                "`sampling_steps: null` walks all steps of another"
            )
        if self.steps < 2 or self.beta_start == self.beta_end:
            raise ValueError(
                f"sampling_steps ({self.sampling_steps}) needs at least 2 steps whose beta grows: the inverse is of the growing "
                "noise; `sampling_steps: null` walks all steps of another chain"
            )
        return self
