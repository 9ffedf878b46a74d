"""Denoising diffusion in discrete steps (DDPM): networks for points and images, and ancestral sampling."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from harness import Config, Model, Sampler, hookimpl
from harness.toolkit.chains import ChainConfig, ImageChainConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.presets import Preset

__version__ = "1"


class DDPMConfig(ChainConfig):
    """The chain of noise levels, and the width of the network for points."""

    width: int = Field(128, ge=1, le=8192, description="units of a hidden layer")
    gains: Literal["table", "smooth"] = Field(
        "table",
        description="how the network knows the step, by which it scales each layer: a row of gains for each step, as published, "
        "or gains that are a smooth function of the step",
    )
    softplus: Literal["exact", "fast"] = Field(
        "exact",
        description="how the network computes its activation log(1 + e^x): by torch's softplus, or by one that takes a quarter "
        "of its time on a CPU and is off by up to 2e-7, relative where the value is above 1",
    )

    ADDED_LATER: ClassVar[frozenset[str]] = ChainConfig.ADDED_LATER | {"gains", "softplus"}


class UNetConfig(ImageChainConfig):
    """The U-Net of Ho et al., and the chain that it is trained on.

    The defaults are a tiny network for tests and smoke runs; `harness_ddpm.presets` has the published ones.
    """

    ch: int = Field(16, ge=4, description="channels that ch_mult multiplies; a multiple of norm_groups")
    ch_mult: tuple[PositiveInt, ...] = Field((1, 1), min_length=1, description="channels of each level, in ch, finest first")
    num_res_blocks: int = Field(
        1, ge=1, le=64, description="residual blocks of a level on the way down; on the way up there is one more"
    )
    attn_resolutions: tuple[int, ...] = Field((8,), description="sizes in pixels at which blocks have attention")
    dropout: float = Field(0.0, ge=0, lt=1, description="probability of dropping an activation in pretraining")
    norm_groups: PositiveInt = Field(4, description="groups of each group normalisation; 32 in the published networks")
    patch: int = Field(
        1,
        ge=1,
        le=16,
        description="pixels a side of the patches whose pixels the network sees as channels; 2 quarters the cost of each level. "
        "`attn_resolutions` counts patches then",
    )

    ADDED_LATER: ClassVar[frozenset[str]] = ImageChainConfig.ADDED_LATER | {"patch"}

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.ch % self.norm_groups:
            raise ValueError(f"ch ({self.ch}) is not a multiple of norm_groups ({self.norm_groups})")
        return self


Spacing = Literal["linear", "quadratic"]


class ClippedConfig(Config):
    """Whether a walk clips the images that the network sees in its states."""

    clip_denoised: bool = Field(False, description="clip the predicted clean image to [-1, 1] at each step; images alone")

    ADDED_LATER: ClassVar[frozenset[str]] = frozenset({"clip_denoised"})


class SubsampledConfig(ClippedConfig):
    """The steps of the chain that are walked, and their variance."""

    steps: PositiveInt | None = Field(
        50, description="steps that are walked, each with one call of the network; none: all steps of the chain"
    )
    spacing: Spacing = Field(
        "linear", description="which steps: evenly over the chain (linear), or more of them near the data (quadratic)"
    )
    variance: Literal["posterior", "beta"] = Field(
        "posterior",
        description="variance of a step: that of the forward posterior given the data, or that of the forward step (beta)",
    )
    start: Literal["noise", "data"] = Field(
        "noise",
        description="where the walk starts: at N(0, I), or at training data with the noise of the first step, which shows what a "
        "chain loses that never reaches N(0, I); such samples come from training data, and are for experiments",
    )

    ADDED_LATER: ClassVar[frozenset[str]] = ClippedConfig.ADDED_LATER | {"start"}


class DDIMConfig(ClippedConfig):
    """The steps of the chain that are walked, and how much noise each adds."""

    steps: PositiveInt | None = Field(
        50, description="steps that are walked, each with one call of the network; none: all steps of the chain"
    )
    spacing: Spacing = Field(
        "linear", description="which steps: evenly over the chain (linear), or more of them near the data (quadratic)"
    )
    eta: float = Field(0.0, ge=0, le=1, description="noise of each step as a share of DDPM's: 0 is deterministic, 1 as in DDPM")


class FastDPMConfig(ClippedConfig):
    """A short chain that is matched to the long one."""

    steps: PositiveInt = Field(50, description="steps of the short chain, each with one call of the network")
    approximation: Literal["VAR", "STEP"] = Field(
        "VAR",
        description="VAR: the short chain has variances of its own, at real-valued steps of the long chain; "
        "STEP: it keeps some steps of the long chain",
    )
    schedule: Spacing = Field("quadratic", description="how the variances (VAR) or the steps (STEP) grow along the chain")
    kappa: float = Field(1.0, ge=0, le=1, description="noise of each step as a share of DDPM's: 1 as in DDPM, 0 as in DDIM")


class BestVarianceConfig(DDIMConfig):
    """The steps that are walked with a variance that is estimated on the base, and the bounds of images on it."""

    eta: float = Field(
        1.0, ge=0, le=1, description="noise given the data, to which the estimate adds: 1 as in DDPM, 0 as in DDIM"
    )
    clip_denoised: bool = Field(
        True, description="clip the predicted clean image to [-1, 1] at each step, as published; images alone"
    )
    clip_grey_levels: float | None = Field(
        2.0,
        gt=0,
        description="bound on the mean size of the noise of the last noisy step, in grey levels of 8 bits: 2 as published for "
        "linear betas, 1 for cosine betas and for eta 0; none: no bound; images only",
    )


class AnalyticConfig(BestVarianceConfig):
    """The steps that are walked, and the examples from which their variances are estimated."""

    examples: PositiveInt = Field(5000, description="examples from which the mean square of the predicted noise is estimated")
    source: Literal["train", "samples"] = Field(
        "train", description="what the examples are: training data, or samples of the base"
    )


class HeadConfig(BestVarianceConfig):
    """The steps that are walked, and how the head is trained on the base."""

    width: PositiveInt = Field(32, description="hidden channels of the head")
    training_steps: PositiveInt = Field(2000, description="training steps of the head")
    batch: PositiveInt = Field(128, description="training examples of each step of the head")
    lr: float = Field(1e-3, gt=0, description="learning rate of the head (Adam)")


def _shrunk(config: Config) -> Mapping[str, object]:
    """Return as many levels as the network has: one level alone would attend at the size of the images."""
    return {"ch_mult": (1,) * len(UNetConfig.model_validate(config).ch_mult)}


def _fewer_steps(config: Config) -> Mapping[str, object]:
    """Return at most four steps, and never more than the board names, since its chain may be as short."""
    steps = config.model_dump()["steps"]
    return {"steps": 2 if steps is None else min(4, steps)}


def _drops(config: Config) -> bool:
    """Return whether the network has dropout."""
    return UNetConfig.model_validate(config).dropout > 0


@hookimpl
def harness_models() -> list[Model]:
    """Provide the networks of the SFT-PG paper: for its toy problems, and for images."""
    return [
        Model(
            "ddpm-mlp",
            config=DDPMConfig,
            build="harness_ddpm.model:build",
            provides=frozenset({"Trains", "TrainsInParts", "Likelihood", "WeightedBound", "Transitions", "NoiseChain"}),
            sampler="ancestral",
            summary="DDPM for points: MLP with a learned gain for each step (SFT-PG's toy network)",
        ),
        Model(
            "ddpm-unet",
            config=UNetConfig,
            build="harness_ddpm.image_model:build",
            check="harness_ddpm.check:fits",
            layout="harness_ddpm.published:DDPMLayout",
            drops=_drops,
            provides=frozenset({"Trains", "TrainsInParts", "Likelihood", "WeightedBound", "Transitions", "NoiseChain"}),
            sampler="ancestral",
            smoke={"ch": 8, "num_res_blocks": 1, "norm_groups": 4, "sampling_steps": 4},
            shrink=_shrunk,
            summary="DDPM for images: the U-Net of Ho et al., sampled in few steps (FastDPM)",
        ),
    ]


@hookimpl
def harness_samplers() -> list[Sampler]:
    """Provide samplers: for models with Gaussian transitions, and for models that predict the noise of a chain."""
    return [
        Sampler(
            "ancestral",
            build="harness_ddpm.sampler:build",
            needs=frozenset({"Transitions"}),
            summary="the model's own chain of Gaussian steps, noise included at the last one",
        ),
        Sampler(
            "ddpm",
            config=SubsampledConfig,
            build="harness_ddpm.walks:Subsampled",
            check="harness_ddpm.walk_check:has_steps",
            needs=frozenset({"NoiseChain"}),
            smoke={"steps": 4},
            shrink=_fewer_steps,
            summary="ancestral sampling over some of the chain's steps",
        ),
        Sampler(
            "ddim",
            config=DDIMConfig,
            build="harness_ddpm.walks:DDIM",
            check="harness_ddpm.walk_check:has_steps",
            needs=frozenset({"NoiseChain"}),
            smoke={"steps": 4},
            shrink=_fewer_steps,
            summary="DDIM: some of the chain's steps, with noise eta, none by default",
        ),
        Sampler(
            "fastdpm",
            config=FastDPMConfig,
            build="harness_ddpm.walks:FastDPM",
            check="harness_ddpm.walk_check:has_kept_steps",
            needs=frozenset({"NoiseChain"}),
            smoke={"steps": 4},
            shrink=_fewer_steps,
            summary="FastDPM: a short chain with variances (VAR) or steps (STEP) of the long one",
        ),
        Sampler(
            "analytic-dpm",
            config=AnalyticConfig,
            version="2",  # bounded on images
            build="harness_ddpm.variances:Analytic",
            check="harness_ddpm.walk_check:has_steps",
            needs=frozenset({"NoiseChain"}),
            smoke={"steps": 4, "examples": 64},
            shrink=_fewer_steps,
            summary="Analytic-DPM: the best variance of each step, estimated on the base",
        ),
        Sampler(
            "sn-dpm",
            config=HeadConfig,
            version="2",  # bounded on images
            build="harness_ddpm.variances:SquaredNoise",
            check="harness_ddpm.walk_check:has_steps",
            needs=frozenset({"NoiseChain"}),
            smoke={"steps": 4, "training_steps": 4, "batch": 8},
            shrink=_fewer_steps,
            summary="SN-DPM: variances of each coordinate from a head that predicts the squared noise",
        ),
        Sampler(
            "npr-dpm",
            config=HeadConfig,
            version="2",  # bounded on images
            build="harness_ddpm.variances:Residual",
            check="harness_ddpm.walk_check:has_steps",
            needs=frozenset({"NoiseChain"}),
            smoke={"steps": 4, "training_steps": 4, "batch": 8},
            shrink=_fewer_steps,
            summary="NPR-DPM: variances of each coordinate from a head that predicts the squared residual",
        ),
    ]


@hookimpl
def harness_presets() -> list[Preset]:
    """Provide the published networks and a tiny network."""
    from harness_ddpm.presets import PRESETS, TINY

    return [*PRESETS.values(), TINY]
