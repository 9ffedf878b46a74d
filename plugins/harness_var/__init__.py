"""VAR, visual autoregression by next-scale prediction: transformer, multi-scale tokenizer, exact likelihood, sampler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from harness import Config, Model, Sampler, hookimpl
from harness.paths import BoardPath
from harness.toolkit.named_settings import filled
from harness.toolkit.tokenizer_file import check_pinned

if TYPE_CHECKING:
    from harness.presets import Preset

__version__ = "1"

SCALES_256 = (1, 2, 3, 4, 5, 6, 8, 10, 13, 16)
SCALES_512 = (1, 2, 3, 4, 6, 9, 13, 18, 24, 32)

TOKENIZER_PRESETS: Mapping[str, Mapping[str, object]] = {
    "ch160v4096z32": {
        "vocab_size": 4096, "z_channels": 32, "ch": 160, "ch_mult": (1, 1, 2, 2, 4), "num_res_blocks": 2,
        "share_quant_resi": 4,
    },
}  # fmt: skip


def _published(depth: int, *, patch_nums: tuple[int, ...] = SCALES_256, shared_aln: bool = False) -> dict[str, object]:
    return {
        "depth": depth,
        "embed_dim": 64 * depth,
        "num_heads": depth,
        "shared_aln": shared_aln,
        "attn_l2_norm": True,
        "patch_nums": patch_nums,
        "drop_path_rate": 0.1 * depth / 24,
        "tokenizer": {"preset": "ch160v4096z32"},
    }


PRESETS: Mapping[str, Mapping[str, object]] = {
    "d16": _published(16),
    "d20": _published(20),
    "d24": _published(24),
    "d30": _published(30),
    "d36-s": _published(36, patch_nums=SCALES_512, shared_aln=True),
}


class VQVAEConfig(Config):
    """Settings of the tokenizer, a convolutional autoencoder around a multi-scale residual quantiser."""

    preset: Literal["ch160v4096z32"] | None = Field(
        None, description="a published tokenizer, whose sizes are taken where no value is given here"
    )
    vocab_size: int = Field(32, ge=2, le=1 << 20, description="number of codes")
    z_channels: int = Field(4, ge=1, le=4096, description="channels of a code and of the latents")
    ch: int = Field(8, ge=1, le=4096, description="channels at full resolution; published ones are multiples of 32")
    ch_mult: tuple[int, ...] = Field(
        (1, 1, 1),
        min_length=1,
        max_length=8,
        description="channels of each level, in units of ch; every level but the last halves the image",
    )
    num_res_blocks: int = Field(1, ge=1, le=16, description="residual blocks in each level of the encoder")
    using_znorm: bool = Field(False, description="take the nearest code by cosine similarity, not by distance")
    quant_conv_ks: Literal[1, 3, 5] = Field(3, description="kernel size of the convolutions around the quantiser")
    quant_resi: float = Field(0.5, ge=-1, le=1, description="its absolute value is the share of the convolution in phi")
    share_quant_resi: int = Field(
        4, ge=0, le=64, description="number of convolutions phi, which neighbouring scales share; 0: one for each scale"
    )
    weights: BoardPath | None = Field(
        None, description="safetensors file of a trained tokenizer, from the board's folder; none: random weights"
    )
    sha256: str | None = Field(
        None, pattern="^[0-9a-f]{64}$", description="hash of that file: results depend on its content, not on its name"
    )

    @model_validator(mode="before")
    @classmethod
    def _from_preset(cls, settings: object) -> object:
        return filled(settings, TOKENIZER_PRESETS)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if min(self.ch_mult) < 1:
            raise ValueError(f"ch_mult {self.ch_mult} must be positive")
        check_pinned(self.weights, self.sha256)
        return self

    @property
    def downsample(self) -> int:
        """Pixels a side that one latent position stands for."""
        return int(2 ** (len(self.ch_mult) - 1))


class VARConfig(Config):
    """Settings of the transformer, the scales, the tokenizer and the pretraining loss."""

    preset: Literal["d16", "d20", "d24", "d30", "d36-s"] | None = Field(
        None, description="a published model, whose sizes and tokenizer are taken where no value is given here"
    )
    depth: int = Field(2, ge=1, le=128, description="transformer blocks")
    embed_dim: int = Field(32, ge=1, le=16384, description="width of the transformer")
    num_heads: int = Field(4, ge=1, le=256, description="attention heads")
    mlp_ratio: float = Field(4.0, gt=0, le=16, description="hidden units of a feed-forward layer, in units of embed_dim")
    norm_eps: float = Field(1e-6, gt=0, description="epsilon of the layer norms")
    shared_aln: bool = Field(False, description="one adaptive layer norm for all blocks, not one for each")
    attn_l2_norm: bool = Field(True, description="queries and keys of unit length, with a learned scale for each head")
    patch_nums: tuple[int, ...] = Field((1, 2, 4), min_length=2, max_length=64, description="side of each scale, in tokens")
    tokenizer: VQVAEConfig = Field(
        VQVAEConfig(), description="turns images into tokens and back; no method but `tokenizer` trains it"
    )
    cond_drop_rate: float = Field(0.1, ge=0, le=1, description="probability in training that a label becomes the null class")
    drop_path_rate: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="probability in pretraining that a branch of the last block is dropped; 0 in the first block, linear between",
    )
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="share of a training target spread over all codes")

    @model_validator(mode="before")
    @classmethod
    def _from_preset(cls, settings: object) -> object:
        return filled(settings, PRESETS)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.embed_dim % self.num_heads:
            raise ValueError(f"embed_dim ({self.embed_dim}) is not a multiple of num_heads ({self.num_heads})")
        if round(self.embed_dim * self.mlp_ratio) < 1:
            raise ValueError(f"mlp_ratio ({self.mlp_ratio}) leaves no hidden unit for embed_dim {self.embed_dim}")
        if self.preset is not None:
            published, own = VQVAEConfig.model_validate(PRESETS[self.preset]["tokenizer"]), self.tokenizer
            if (own.vocab_size, own.z_channels) != (published.vocab_size, published.z_channels):
                raise ValueError(
                    f"preset {self.preset} belongs to a tokenizer of {published.vocab_size} codes with {published.z_channels} "
                    f"channels, not of {own.vocab_size} with {own.z_channels}; "
                    "name the tokenizer's preset, or leave out the model's"
                )
        if list(self.patch_nums) != sorted(set(self.patch_nums)) or self.patch_nums[0] < 1:
            raise ValueError(f"patch_nums {self.patch_nums} must be positive and increase")
        return self


class VARSamplerConfig(Config):
    """Settings of guidance and filters. The defaults draw from the model's own distribution."""

    guidance: Literal["ramp", "constant", "scale"] = Field(
        "ramp",
        description="what cfg means, for logits (1 + t) cond - t null at scale k of 0 … K-1. "
        "ramp (VAR's own): t = cfg * k / (K-1); constant: t = cfg at each scale; "
        "scale: null + cfg * (cond - null) at each scale, so t = cfg - 1. "
        "Unguided is cfg = 0 for ramp and constant, and cfg = 1 for scale",
    )
    cfg: float = Field(0.0, ge=0, le=1000, description="strength of guidance; what it means is set by `guidance`")
    top_k: int = Field(
        0, ge=0, description="keep this many of the likeliest codes at a position, and those that tie with the last; 0: all"
    )
    top_p: float = Field(
        0.0, ge=0, le=1, description="keep the likeliest codes that together have at least this probability at a position; 0: all"
    )
    kv_cache: bool = Field(True, description="keep the keys and values of the smaller scales; false: compute them anew")


def guidance_formula(config: VARSamplerConfig) -> str:
    """Return how the sampler combines the logits of the class and of no class, in the words of records."""
    weight = {
        "ramp": f"t = {config.cfg:g} * k / (K - 1)",
        "constant": f"t = {config.cfg:g}",
        "scale": f"t = {config.cfg:g} - 1",
    }[config.guidance]
    return f"logits = (1 + t) * cond - t * null, {weight} at scale k of 0 ... K - 1"


def _shrunk(config: Config) -> Mapping[str, object]:
    """Return tiny sizes in the place of published ones. The scales stay, and with them the size of the images."""
    full = VARConfig.model_validate(config)
    if full.preset is None and full.tokenizer.preset is None:
        return {}
    tokenizer = {"ch_mult": (1,) * len(full.tokenizer.ch_mult)}  # beside the defaults, which are tiny
    return {"preset": None, "embed_dim": 32, "num_heads": 4, "tokenizer": tokenizer}


def _drops(config: Config) -> bool:
    """Return whether the network has stochastic depth."""
    return VARConfig.model_validate(config).drop_path_rate > 0


def _follows_labels(_: Config) -> bool:
    """Return whether the network takes labels, which it always does."""
    return True


@hookimpl
def harness_models() -> list[Model]:
    """Provide the transformer with its tokenizer."""
    return [
        Model(
            "var",
            config=VARConfig,
            build="harness_var.model:build",
            layout="harness_var.layout:VARLayout",
            drops=_drops,
            follows_labels=_follows_labels,
            provides=frozenset(
                {
                    "Trains",
                    "TrainsInParts",
                    "Likelihood",
                    "Tokens",
                    "TakesTokens",
                    "TrainsTokenizer",
                    "NullLabel",
                    "NextScale",
                }
            ),
            sampler="var",
            check="harness_var.check:fits",
            smoke={"depth": 1},
            shrink=_shrunk,
            summary="VAR: next-scale prediction over multi-scale tokens of images in [-1, 1]; exact likelihood",
        )
    ]


@hookimpl
def harness_samplers() -> list[Sampler]:
    """Provide the sampler, which works for every model that predicts scale after scale."""
    return [
        Sampler(
            "var",
            config=VARSamplerConfig,
            build="harness_var.sampler:build",
            needs=frozenset({"Tokens", "NextScale"}),
            draws_tokens=True,
            formula=guidance_formula,  # type: ignore[arg-type] # takes the sampler's own settings
            summary="scale after scale with a key-value cache; top-k, top-p, classifier-free guidance",
        )
    ]


@hookimpl
def harness_presets() -> list[Preset]:
    """Provide the published networks, and a tiny one."""
    from harness_var.presets import FINE_TUNED, PRESETS

    return [*PRESETS.values(), *FINE_TUNED.values()]
