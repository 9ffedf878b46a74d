"""EDM2: magnitude-preserving U-Nets, their learned log-variance, and power-function averages of their weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from harness import Config, Model, hookimpl
from harness.paths import BoardPath
from harness.toolkit.denoising import ChainLevels

if TYPE_CHECKING:
    from harness.presets import Preset

__version__ = "1"


LATENT_MEANS = (5.81, 3.25, 0.12, -2.15)
LATENT_STDS = (4.17, 4.62, 3.71, 3.28)
"""Mean and standard deviation of each channel of the Stability VAE's latents, over ImageNet's training images."""


class VAEConfig(Config):
    """The autoencoder between images and latents: an `AutoencoderKL` of diffusers, which is never trained here.

    The defaults are those of the Stability VAE, which EDM2's ImageNet-512 networks work with.
    """

    block_out_channels: tuple[PositiveInt, ...] = Field(
        (128, 256, 512, 512),
        min_length=1,
        description="channels of each level, finest first; each level but the last halves the resolution",
    )
    layers_per_block: PositiveInt = Field(2, description="residual blocks of an encoder level")
    norm_num_groups: PositiveInt = Field(32, description="groups of each group normalisation")
    means: tuple[float, ...] = Field(
        LATENT_MEANS, min_length=1, description="mean of each channel of the latents over the data; becomes 0"
    )
    stds: tuple[PositiveFloat, ...] = Field(
        LATENT_STDS, description="standard deviation of each channel of the latents over the data; becomes 0.5"
    )
    weights: BoardPath | None = Field(
        None,
        description="diffusers folder or file with the weights, from the board's folder, for a base that the board pretrains; "
        "a base with published weights names them by `parts: {vae: …}`",
    )
    sha256: str | None = Field(
        None, pattern="^[0-9a-f]{64}$", description="hash of the weights: results depend on their content, not on their name"
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(self.means) != len(self.stds):
            raise ValueError(f"{len(self.means)} means and {len(self.stds)} stds: each channel needs one of each")
        if misfits := [width for width in self.block_out_channels if width % self.norm_num_groups]:
            raise ValueError(f"block_out_channels: {misfits[0]} is not a multiple of norm_num_groups ({self.norm_num_groups})")
        if (self.weights is None) != (self.sha256 is None):
            raise ValueError("weights and sha256 go together: the one without the other says too little")
        return self

    @property
    def downscale(self) -> int:
        """Pixels of the image along one side of a latent's pixel."""
        return int(2 ** (len(self.block_out_channels) - 1))


class EDM2Config(ChainLevels):
    """The sizes of the network, and what it is trained on and sampled from.

    The defaults are a tiny network for tests and smoke runs; `harness_edm2.presets` has the published ones.
    """

    ADDED_LATER = frozenset({"vae"})

    model_channels: int = Field(8, ge=1, description="channels that channel_mult multiplies")
    channel_mult: tuple[PositiveInt, ...] = Field(
        (1, 2), min_length=1, description="channels of each level, in model_channels, finest first"
    )
    channel_mult_noise: PositiveInt | None = Field(
        None, description="noise features, in model_channels; none: as many as the finest level has channels"
    )
    channel_mult_emb: PositiveInt | None = Field(
        None, description="width of the embedding, in model_channels; none: that of the widest level"
    )
    num_blocks: int = Field(1, ge=1, le=64, description="residual blocks of an encoder level; a decoder level has one more")
    attn_resolutions: tuple[int, ...] = Field((16, 8), description="sizes in pixels at which blocks have attention")
    channels_per_head: PositiveInt = Field(64, description="channels of an attention head; narrower blocks have no attention")
    dropout: float = Field(0.0, ge=0, lt=1, description="probability of dropping an activation in pretraining")
    label_balance: float = Field(0.5, ge=0, le=1, description="weight of the class in its sum with the noise level")
    concat_balance: float = Field(0.5, ge=0, le=1, description="weight of a skip beside the decoder's main path")
    res_balance: float = Field(0.3, ge=0, le=1, description="weight of a residual branch in its sum with the main path")
    attn_balance: float = Field(0.3, ge=0, le=1, description="weight of attention in its sum with the main path")
    clip_act: float | None = Field(256.0, gt=0, description="largest magnitude of an activation after a block; none: no bound")
    resample_filter: tuple[float, ...] = Field(
        (1, 1), min_length=2, description="smoothing filter where the resolution changes; [1, 1] averages 2×2 pixels"
    )
    logvar_channels: PositiveInt = Field(128, description="noise features of the learned log-variance")
    p_mean: float = Field(-0.4, ge=-20, le=20, description="mean of ln(sigma) in training; -0.8 for pixels")
    p_std: float = Field(1.0, gt=0, le=20, description="standard deviation of ln(sigma) in training; 1.6 for pixels")
    vae: VAEConfig | None = Field(
        None, description="the autoencoder in whose latents the network works; none: the network works on the data as they are"
    )


def _shrunk(config: Config) -> Mapping[str, object]:
    """Return a tiny autoencoder with the levels of the Stability VAE, where the network works in its latents."""
    vae = EDM2Config.model_validate(config).vae
    if vae is None or vae.weights is not None:
        return {}
    widths = (8,) * len(vae.block_out_channels)
    return {"vae": {**vae.model_dump(), "block_out_channels": widths, "layers_per_block": 1, "norm_num_groups": 4}}


def _drops(config: Config) -> bool:
    """Return whether the network has dropout."""
    return EDM2Config.model_validate(config).dropout > 0


def _is_conditional(config: Config) -> bool:
    """Return whether the network takes labels."""
    return EDM2Config.model_validate(config).is_conditional


@hookimpl
def harness_models() -> list[Model]:
    """Provide the family of the published networks."""
    return [
        Model(
            "edm2-unet",
            config=EDM2Config,
            build="harness_edm2.model:build",
            check="harness_edm2.check:fits",
            layout="harness_edm2.published:EDM2Layout",
            drops=_drops,
            follows_labels=_is_conditional,
            provides=frozenset({"Trains", "TrainsInParts", "Likelihood", "WeightedBound", "Denoises", "Transitions"}),
            sampler="heun",
            smoke={"model_channels": 8, "channel_mult": (1,), "num_blocks": 1},
            shrink=_shrunk,
            summary="EDM2 for images or latents: magnitude-preserving U-Net with learned log-variance",
        )
    ]


@hookimpl
def harness_presets() -> list[Preset]:
    """Provide the published networks and a tiny network."""
    from harness_edm2.presets import FURTHER, PRESETS, TINY

    return [*PRESETS.values(), *FURTHER.values(), TINY]
