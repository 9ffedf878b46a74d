"""Denoising diffusion in discrete steps (DDPM): networks for points and images, and ancestral sampling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from harness import Config, Model, Sampler, hookimpl

if TYPE_CHECKING:
    from harness.presets import Preset

__version__ = "1"


class ChainConfig(Config):
    """The chain of noise levels."""

    steps: int = Field(10, ge=1, le=10_000, description="diffusion steps T; sampling calls the network T times")
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


class DDPMConfig(ChainConfig):
    """The chain of noise levels and the width of the network for points."""

    width: int = Field(128, ge=1, le=8192, description="hidden units a layer")


class UNetConfig(ChainConfig):
    """The U-Net of Ho et al., and the chain it is trained on.

    The defaults are a tiny network for tests and smoke runs; `harness_ddpm.presets` has the published ones.
    """

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
    sampling_schedule: Literal["linear", "quadratic"] = Field(
        "quadratic", description="how the variance grows over the S steps"
    )
    kappa: float = Field(1.0, gt=0, le=1, description="noise of the S steps: 1 as in DDPM, towards 0 as in DDIM")
    ch: int = Field(16, ge=4, description="channels that ch_mult multiplies; a multiple of norm_groups")
    ch_mult: tuple[PositiveInt, ...] = Field((1, 1), min_length=1, description="width of each level, finest first")
    num_res_blocks: PositiveInt = Field(1, description="residual blocks a level; the decoder has one more")
    attn_resolutions: tuple[int, ...] = Field((8,), description="sizes in pixels at which blocks attend")
    dropout: float = Field(0.0, ge=0, lt=1, description="probability of dropping an activation in training")
    norm_groups: PositiveInt = Field(4, description="groups of each normalisation; 32 in the published networks")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.sampling_steps is not None and self.schedule != "linear":
            raise ValueError("sampling_steps needs the linear schedule, whose steps have a continuous inverse")
        if self.ch % self.norm_groups:
            raise ValueError(f"ch ({self.ch}) is not a multiple of norm_groups ({self.norm_groups})")
        return self


@hookimpl
def harness_models() -> list[Model]:
    """The networks of the SFT-PG paper: for its toy problems, and for images."""
    return [
        Model(
            "ddpm-mlp",
            config=DDPMConfig,
            build="harness_ddpm.model:build",
            provides=frozenset({"Trains", "TrainsInParts", "Likelihood", "Transitions", "NoiseChain"}),
            sampler="ancestral",
            summary="DDPM for points: MLP with a learned gain a step (SFT-PG's toy network)",
        ),
        Model(
            "ddpm-unet",
            config=UNetConfig,
            build="harness_ddpm.image_model:build",
            layout="harness_ddpm.published:DDPMLayout",
            provides=frozenset({"Trains", "TrainsInParts", "Likelihood", "Transitions", "NoiseChain"}),
            sampler="ancestral",
            smoke={"ch": 8, "ch_mult": (1,), "num_res_blocks": 1, "norm_groups": 4, "sampling_steps": 4},
            summary="DDPM for images: the U-Net of Ho et al., sampled in few steps (FastDPM)",
        ),
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


@hookimpl
def harness_presets() -> list[Preset]:
    """Published networks, and tiny ones."""
    from harness_ddpm.presets import PRESETS

    return list(PRESETS.values())
