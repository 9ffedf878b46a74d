"""EDM2: magnitude-preserving U-Nets, their learned log-variance, and power-function averages of their weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, PositiveInt

from harness import Model, hookimpl
from harness.denoising import ChainLevels

if TYPE_CHECKING:
    from harness.presets import Preset

__version__ = "1"


class EDM2Config(ChainLevels):
    """The network's size.

    The defaults are a tiny network for tests and smoke runs; `harness_edm2.presets` has the published ones.
    """

    model_channels: int = Field(8, ge=1, description="channels that channel_mult multiplies")
    channel_mult: tuple[PositiveInt, ...] = Field((1, 2), min_length=1, description="width of each level, finest first")
    channel_mult_noise: PositiveInt | None = Field(
        None, description="noise features, in model_channels; the finest level's width by default"
    )
    channel_mult_emb: PositiveInt | None = Field(
        None, description="width of the embedding, in model_channels; the widest level's by default"
    )
    num_blocks: int = Field(1, ge=1, le=64, description="residual blocks a level; the decoder has one more")
    attn_resolutions: tuple[int, ...] = Field((16, 8), description="sizes in pixels at which blocks attend")
    channels_per_head: PositiveInt = Field(
        64, description="channels of an attention head; narrower blocks have no attention"
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="probability of dropping an activation in training")
    label_balance: float = Field(0.5, ge=0, le=1, description="weight of the class in its sum with the noise level")
    concat_balance: float = Field(0.5, ge=0, le=1, description="weight of a skip beside the decoder's main path")
    res_balance: float = Field(0.3, ge=0, le=1, description="weight of a residual branch in its sum with the main path")
    attn_balance: float = Field(0.3, ge=0, le=1, description="weight of attention in its sum with the main path")
    clip_act: float | None = Field(256.0, gt=0, description="largest magnitude of an activation after a block")
    resample_filter: tuple[float, ...] = Field(
        (1, 1), min_length=2, description="smoothing filter; [1, 1] averages 2×2 pixels"
    )
    logvar_channels: PositiveInt = Field(128, description="noise features of the learned log-variance")
    p_mean: float = Field(-0.4, ge=-20, le=20, description="mean of ln(sigma) in training; -0.8 for pixels")
    p_std: float = Field(1.0, gt=0, le=20, description="standard deviation of ln(sigma) in training; 1.6 for pixels")


@hookimpl
def harness_models() -> list[Model]:
    """The published networks' family."""
    return [
        Model(
            "edm2-unet",
            config=EDM2Config,
            build="harness_edm2.model:build",
            check="harness_edm2.check:fits",
            layout="harness_edm2.published:EDM2Layout",
            provides=frozenset({"Trains", "TrainsInParts", "Likelihood", "Denoises", "Transitions"}),
            sampler="heun",
            smoke={"model_channels": 8, "channel_mult": (1,), "num_blocks": 1},
            summary="EDM2 for images or latents: magnitude-preserving U-Net with learned log-variance",
        )
    ]


@hookimpl
def harness_presets() -> list[Preset]:
    """Published networks, and tiny ones."""
    from harness_edm2.presets import PRESETS, TINY

    return [*PRESETS.values(), TINY]
