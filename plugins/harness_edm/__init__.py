"""Denoising with EDM's preconditioning: a small network for points, U-Nets for images, and Heun's method."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from harness import Config, Model, Sampler, hookimpl
from harness.toolkit.denoising import ChainLevels, NoiseLevels

if TYPE_CHECKING:
    from harness.presets import Preset

__version__ = "1"


class EDMConfig(NoiseLevels):
    """The size of the network for points, and the noise levels that it is trained on and sampled from."""

    width: int = Field(128, ge=1, le=8192, description="units of a hidden layer")
    depth: int = Field(3, ge=1, le=64, description="hidden layers")
    # Images use 80. A noise of 20 hides points of spread 0.3 to 0.5 well enough, and Heun's 18 steps from there make samples
    # 3 % too wide instead of 6 % (on Gaussian data, where the denoiser is known exactly; with 36 steps 0.8 %).
    sigma_max: float = Field(20.0, gt=0, description="largest noise level of sampling, in units of the data")


class UNetConfig(ChainLevels):
    """The U-Net for images inside the preconditioning. A field that is none takes the value of the architecture.

    The defaults are a tiny network for tests and smoke runs; `harness_edm.presets` has the published ones.
    """

    architecture: Literal["ddpm++", "ncsn++", "adm"] = Field(
        "ddpm++", description="published family: DDPM++ (of VP), NCSN++ (of VE), or ADM (Dhariwal and Nichol)"
    )
    model_channels: int = Field(16, ge=4, multiple_of=4, description="channels that channel_mult multiplies")
    channel_mult: tuple[PositiveInt, ...] = Field(
        (1, 1), min_length=1, description="channels of each level, in model_channels, finest first"
    )
    channel_mult_emb: int = Field(4, ge=1, description="width of the noise-level embedding, in model_channels")
    channel_mult_noise: PositiveInt | None = Field(
        None, description="noise features, in model_channels; none: 2 in NCSN++, 1 elsewhere"
    )
    num_blocks: int = Field(1, ge=1, le=64, description="residual blocks of an encoder level; a decoder level has one more")
    attn_resolutions: tuple[int, ...] = Field((8,), description="sizes in pixels at which blocks have attention")
    head_channels: PositiveInt | None = Field(
        None,
        description="channels of an attention head; none: 64 in ADM, where narrower blocks have no attention, and all elsewhere",
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="probability of dropping an activation in pretraining")
    augment_dim: int = Field(0, ge=0, description="length of the labels that say how an image was augmented; 0: no such labels")
    embedding: Literal["positional", "fourier"] | None = Field(
        None,
        description="frequencies of the noise features: fixed (positional) or random (fourier); "
        "none: fourier in NCSN++, positional elsewhere",
    )
    encoder: Literal["standard", "residual"] | None = Field(
        None,
        description="residual adds a pyramid of the input at each level, standard does not; "
        "none: residual in NCSN++, standard elsewhere",
    )
    resample_filter: tuple[float, ...] | None = Field(
        None,
        min_length=2,
        description="smoothing filter where the resolution changes; none: [1, 3, 3, 1] in NCSN++, [1, 1] elsewhere",
    )
    patch: int = Field(
        1,
        ge=1,
        le=16,
        description="pixels a side of the patches whose pixels the network sees as channels; 2 quarters the cost of each level. "
        "`attn_resolutions` counts patches then",
    )

    ADDED_LATER: ClassVar[frozenset[str]] = ChainLevels.ADDED_LATER | {"patch"}

    @model_validator(mode="after")
    def _adm_is_fixed(self) -> Self:
        if self.architecture == "adm" and (self.embedding == "fourier" or self.encoder == "residual"):
            raise ValueError("adm has positional noise features and a standard encoder")
        if self.architecture == "adm" and (self.channel_mult_noise or 1) != 1:
            raise ValueError("adm has no channel_mult_noise")
        return self

    @property
    def is_ncsn(self) -> bool:
        """Whether the fields that are none take the values of NCSN++."""
        return self.architecture == "ncsn++"

    @property
    def noise_mult(self) -> int:
        """Number of noise features, in model_channels."""
        return self.channel_mult_noise or (2 if self.is_ncsn else 1)

    @property
    def channels_per_head(self) -> int | None:
        """Channels of an attention head; None where one head has all channels."""
        return self.head_channels or (64 if self.architecture == "adm" else None)

    @property
    def noise_embedding(self) -> str:
        """Kind of the noise features: positional or fourier."""
        return self.embedding or ("fourier" if self.is_ncsn else "positional")

    @property
    def input_stream(self) -> str:
        """Kind of the encoder: standard or residual."""
        return self.encoder or ("residual" if self.is_ncsn else "standard")

    @property
    def taps(self) -> tuple[float, ...]:
        """The smoothing filter where the resolution changes."""
        return self.resample_filter or ((1, 3, 3, 1) if self.is_ncsn else (1, 1))


class HeunConfig(Config):
    """The number of noise levels, and how they are spaced."""

    steps: int = Field(18, ge=2, le=10_000, description="noise levels; the network is called 2 * steps - 1 times")
    rho: float = Field(7.0, ge=1, le=100, description="1 spaces the levels evenly; larger values put more of them near sigma_min")


class EulerConfig(HeunConfig):
    """The number of noise levels, and how they are spaced."""

    steps: int = Field(35, ge=2, le=10_000, description="noise levels; the network is called once at each")


class StochasticConfig(HeunConfig):
    """The noise levels, and how much noise is added and removed again. Defaults are those of the paper's ImageNet-64 runs."""

    steps: int = Field(256, ge=2, le=10_000, description="noise levels; the network is called 2 * steps - 1 times")
    s_churn: float = Field(
        40.0,
        ge=0,
        description="noise added over the whole run: each step raises its level by the share s_churn / steps, at most 41 %",
    )
    s_min: float = Field(0.05, ge=0, description="smallest noise level at which noise is added, in units of the data")
    s_max: float = Field(50.0, gt=0, description="largest noise level at which noise is added, in units of the data")
    s_noise: float = Field(1.003, gt=0, le=2, description="standard deviation of the added noise; 1 is exact")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.s_min > self.s_max:
            raise ValueError(f"s_min ({self.s_min}) is above s_max ({self.s_max})")
        return self


def _drops(config: Config) -> bool:
    """Return whether the network has dropout."""
    return UNetConfig.model_validate(config).dropout > 0


def _is_conditional(config: Config) -> bool:
    """Return whether the network takes labels."""
    return UNetConfig.model_validate(config).is_conditional


@hookimpl
def harness_models() -> list[Model]:
    """Provide the denoisers for points and for images."""
    return [
        Model(
            "edm-mlp",
            config=EDMConfig,
            build="harness_edm.model:build",
            provides=frozenset({"Trains", "TrainsInParts", "Likelihood", "WeightedBound", "Denoises"}),
            sampler="heun",
            summary="EDM for points: preconditioned MLP denoiser, continuous noise levels",
        ),
        Model(
            "edm-unet",
            config=UNetConfig,
            build="harness_edm.unet:build",
            check="harness_edm.check:fits",
            layout="harness_edm.published:EDMLayout",
            drops=_drops,
            follows_labels=_is_conditional,
            provides=frozenset(
                {"Trains", "TrainsInParts", "TakesAugmentation", "Likelihood", "WeightedBound", "Denoises", "Transitions"}
            ),
            sampler="heun",
            smoke={"model_channels": 8, "channel_mult": (1,), "num_blocks": 1},
            summary="EDM for images: DDPM++, NCSN++ or ADM U-Net, as published",
        ),
    ]


@hookimpl
def harness_samplers() -> list[Sampler]:
    """Provide the samplers for all models that denoise."""
    return [
        Sampler(
            "heun",
            config=HeunConfig,
            build="harness_edm.sampler:build",
            needs=frozenset({"Denoises"}),
            smoke={"steps": 4},
            summary="EDM's deterministic second-order sampler (Heun), without churn",
        ),
        Sampler(
            "euler",
            config=EulerConfig,
            build="harness_edm.sampler:Euler",
            needs=frozenset({"Denoises"}),
            smoke={"steps": 4},
            summary="the probability-flow ODE by Euler's method, first order",
        ),
        Sampler(
            "edm-stochastic",
            config=StochasticConfig,
            build="harness_edm.sampler:Stochastic",
            needs=frozenset({"Denoises"}),
            smoke={"steps": 4},
            summary="EDM's stochastic sampler: noise is added and removed again (churn), Heun in between",
        ),
    ]


@hookimpl
def harness_presets() -> list[Preset]:
    """Provide the published networks and tiny networks."""
    from harness_edm.presets import FINE_TUNED, PRESETS, TINY

    return [*PRESETS.values(), *FINE_TUNED.values(), TINY]
