"""MaskGIT, masked image tokens: both of valeoai's generations, their tokenizers, a likelihood bound, two samplers."""

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

Schedule = Literal["root", "linear", "square", "cosine", "arccos"]

TOKENIZER_PRESETS: Mapping[str, Mapping[str, object]] = {
    "taming-f16-1024": {
        "layout": "taming", "codebook_size": 1024, "embed_dim": 256, "z_channels": 256, "ch": 128,
        "ch_mult": (1, 1, 2, 2, 4), "num_res_blocks": 2, "attn_resolutions": (16,), "resolution": 256,
    },
    "llamagen-ds16": {
        "layout": "llamagen", "codebook_size": 16384, "embed_dim": 8, "z_channels": 256, "ch": 128,
        "ch_mult": (1, 1, 2, 2, 4), "num_res_blocks": 2,
    },
    "llamagen-ds8": {
        "layout": "llamagen", "codebook_size": 16384, "embed_dim": 8, "z_channels": 256, "ch": 128,
        "ch_mult": (1, 2, 2, 4), "num_res_blocks": 2,
    },
}  # fmt: skip


def _first(side: int) -> dict[str, object]:
    return {
        "generation": "v1", "input_size": side, "hidden_dim": 768, "depth": 24, "heads": 16, "mlp_dim": 3072,
        "dropout": 0.1, "label_smoothing": 0.1, "tokenizer": {"preset": "taming-f16-1024"},
    }  # fmt: skip


def _second(side: int, width: int, depth: int, heads: int) -> dict[str, object]:
    return {
        "generation": "v2", "input_size": side, "hidden_dim": width, "depth": depth, "heads": heads,
        "mlp_dim": 4 * width, "registers": 1, "dropout": 0.1, "tokenizer": {"preset": "llamagen-ds16"},
    }  # fmt: skip


_SIZES = {
    "tiny": (384, 6, 6),
    "base": (768, 12, 12),
    "large": (1024, 24, 16),
    "xlarge": (1152, 28, 16),
}

PRESETS: Mapping[str, Mapping[str, object]] = {
    "v1-256": _first(16),
    "v1-512": _first(32),
    **{f"v2-{16 * side}-{size}": _second(side, *sizes) for size, sizes in _SIZES.items() for side in (16, 24, 32)},
}
"""v1-256, v1-512, and v2-SIZE-NAME with SIZE 256, 384 or 512 and NAME tiny, base, large or xlarge. The published code has a size
small too, of width 512 with 6 heads, which do not divide it: no network can be built with these numbers."""


def _check_preset(settings: object, presets: Mapping[str, object], kind: str) -> None:
    """Check the name of a preset. Raises: ValueError for an unknown one."""
    name = settings.get("preset") if isinstance(settings, Mapping) else None
    if name is not None and name not in presets:
        raise ValueError(f"no {kind} is called {name!r}; there are {', '.join(presets)}")


class VQGANConfig(Config):
    """Settings of the tokenizer, a convolutional autoencoder around one codebook."""

    preset: str | None = Field(None, description="a published tokenizer, whose sizes are taken where no value is given here")
    layout: Literal["taming", "llamagen"] = Field(
        "llamagen",
        description="names of the weights and place of attention: taming, at attn_resolutions; llamagen, at the last level",
    )
    codebook_size: int = Field(32, ge=2, le=1 << 20, description="number of codes")
    embed_dim: int = Field(4, ge=1, le=4096, description="channels of a code")
    codebook_l2_norm: bool | None = Field(
        None, description="codes and latents of unit length; none: true for layout llamagen, false for taming"
    )
    z_channels: int = Field(8, ge=1, le=4096, description="channels of the latents around the quantiser")
    ch: int = Field(8, ge=1, le=4096, description="channels at full resolution; published ones are multiples of 32")
    ch_mult: tuple[int, ...] = Field(
        (1, 1, 1),
        min_length=1,
        max_length=8,
        description="channels of each level, in units of ch; every level but the last halves the image",
    )
    num_res_blocks: int = Field(1, ge=1, le=16, description="residual blocks in each level of the encoder")
    attn_resolutions: tuple[int, ...] = Field((), description="taming: nominal sides of the levels with attention")
    resolution: int = Field(
        256, ge=1, description="taming: the nominal image size, by which levels have their sides; the images may have another"
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
        _check_preset(settings, TOKENIZER_PRESETS, "tokenizer")
        return filled(settings, TOKENIZER_PRESETS)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if min(self.ch_mult) < 1:
            raise ValueError(f"ch_mult {self.ch_mult} must be positive")
        check_pinned(self.weights, self.sha256)
        if self.layout == "llamagen" and self.attn_resolutions:
            raise ValueError("attn_resolutions: layout llamagen has attention at its last level, and takes no resolutions")
        sides = [self.resolution >> level for level in range(len(self.ch_mult))]
        if unknown := [side for side in self.attn_resolutions if side not in sides]:
            raise ValueError(f"attn_resolutions: no level has {unknown[0]}; by resolution and ch_mult they have {sides}")
        return self

    @property
    def downsample(self) -> int:
        """Pixels a side of one token."""
        return int(2 ** (len(self.ch_mult) - 1))

    @property
    def has_unit_codes(self) -> bool:
        """Whether codes and latents have unit length."""
        return self.layout == "llamagen" if self.codebook_l2_norm is None else self.codebook_l2_norm


class MaskGITConfig(Config):
    """Settings of the transformer, the tokenizer and the pretraining loss."""

    preset: str | None = Field(None, description="a published size and tokenizer, which are taken where no value is given here")
    generation: Literal["v1", "v2"] = Field(
        "v2", description="v1: BERT-like, with a class token; v2 (Halton-MaskGIT): the class scales, shifts and gates each block"
    )
    input_size: int = Field(4, ge=1, le=256, description="tokens a side")
    hidden_dim: int = Field(32, ge=1, le=16384, description="width of the transformer")
    depth: int = Field(2, ge=1, le=128, description="layers")
    heads: int = Field(4, ge=1, le=256, description="attention heads")
    mlp_dim: int = Field(
        64,
        ge=1,
        le=65536,
        description="hidden units of a feed-forward layer; v2 takes two thirds, rounded up to a multiple of 256",
    )
    registers: int = Field(0, ge=0, le=64, description="v2: register tokens, which stand beside the image's inside the network")
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout in the pretraining loss")
    schedule: Schedule = Field(
        "arccos", description="distribution of the share of masked tokens in pretraining, by the generation's own formulas"
    )
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="share of a training target spread over all codes")
    drop_label: float = Field(0.1, ge=0, le=1, description="probability in training that a label becomes the null class")
    tokenizer: VQGANConfig = Field(
        VQGANConfig(), description="turns images into tokens and back; no method but `tokenizer` trains it"
    )

    @model_validator(mode="before")
    @classmethod
    def _from_preset(cls, settings: object) -> object:
        _check_preset(settings, PRESETS, "MaskGIT")
        return filled(settings, PRESETS)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.hidden_dim % self.heads:
            raise ValueError(f"hidden_dim ({self.hidden_dim}) is not a multiple of heads ({self.heads})")
        if self.preset is not None:
            codes = VQGANConfig.model_validate(PRESETS[self.preset]["tokenizer"]).codebook_size
            if self.tokenizer.codebook_size != codes:
                raise ValueError(
                    f"preset {self.preset} belongs to a tokenizer of {codes} codes, not of {self.tokenizer.codebook_size}; "
                    "name the tokenizer's preset, or leave out the model's"
                )
        if self.generation == "v1" and self.schedule == "root":
            raise ValueError("generation v1 trains with no schedule root; there are linear, square, cosine, arccos")
        if self.generation == "v1" and self.registers:
            raise ValueError(f"generation v1 has no registers, and so no use for {self.registers}")
        if self.generation == "v2" and self.mlp_dim < 2:
            raise ValueError("mlp_dim: generation v2 has two thirds of it as hidden units, and needs at least 2")
        return self


class ConfidenceConfig(Config):
    """Settings of the confidence sampler, in which each step fixes the tokens that the network is surest of."""

    variant: Literal["v1", "v2"] = Field(
        "v1", description="v1: a known token never changes; v2: each step draws the known tokens anew too"
    )
    steps: int = Field(8, ge=1, le=10_000, description="network calls")
    schedule: Schedule = Field("arccos", description="how many tokens are known after each step")
    w: float = Field(0.0, ge=0, le=1000, description="guidance: (1 + w') cond - w' null with w' = w * s / (S - 1); 0 is unguided")
    temperature: float = Field(1.0, gt=0, description="factor of the logits: a value above 1 sharpens the distribution")
    r_temp: float = Field(4.5, ge=0, description="Gumbel noise on log-confidences, falling linearly to 0")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.variant == "v2" and self.steps < 2:
            raise ValueError("steps: variant v2 starts from one known token and ends with all, which takes at least 2 steps")
        return self


class HaltonConfig(Config):
    """Settings of the Halton sampler, which draws tokens in a fixed order that spreads over the image."""

    ADDED_LATER = frozenset({"keep_known"})

    steps: int = Field(8, ge=1, le=10_000, description="network calls")
    w: float = Field(0.0, ge=0, le=1000, description="guidance: (1 + w) cond - w null, the same at each step; 0 is unguided")
    temperature_min: float = Field(1.0, gt=0, description="factor of the logits at the first step")
    temperature_max: float = Field(1.0, gt=0, description="factor of the logits at the last step")
    temperature_power: float = Field(
        1.0, gt=0, description="power that the factors of the logits are raised to; before it they are spaced linearly"
    )
    warmup: int = Field(0, ge=0, description="number of first steps whose factor of the logits is halved")
    top_k: int = Field(
        0, ge=0, description="keep this many of the likeliest codes at a position, and those that tie with the last; 0: all"
    )
    randomize: bool = Field(False, description="start each image at a random place in the order")
    keep_known: bool = Field(
        False,
        description="draw only the tokens that are still masks; false, as published: each step draws every token of the order so "
        "far anew, known ones too",
    )


def guidance_formula(config: ConfidenceConfig | HaltonConfig) -> str:
    """Return how a sampler combines the logits of the class and of no class, in the words of records."""
    grows = " * s / (S - 1)" if isinstance(config, ConfidenceConfig) else ""
    return f"logits = (1 + t) * cond - t * null, t = {config.w:g}{grows} at step s of 0 ... S - 1"


def _shrunk(config: Config) -> Mapping[str, object]:
    """Return tiny sizes in the place of published ones. The number of tokens stays, and with it the size of the images."""
    full = MaskGITConfig.model_validate(config)
    if full.preset is None and full.tokenizer.preset is None:
        return {}
    tokenizer = {"layout": full.tokenizer.layout, "ch_mult": (1,) * len(full.tokenizer.ch_mult)}  # beside tiny defaults
    return {"preset": None, "hidden_dim": 32, "heads": 4, "mlp_dim": 64, "tokenizer": tokenizer}


def _drops(config: Config) -> bool:
    """Return whether the network has dropout."""
    return MaskGITConfig.model_validate(config).dropout > 0


def _follows_labels(_: Config) -> bool:
    """Return whether the network takes labels, which it always does."""
    return True


@hookimpl
def harness_models() -> list[Model]:
    """Provide the transformer with its tokenizer."""
    return [
        Model(
            "maskgit",
            config=MaskGITConfig,
            build="harness_maskgit.model:build",
            layout="harness_maskgit.layout:MaskGITLayout",
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
                    "MaskedTokens",
                }
            ),
            sampler="maskgit-confidence",
            check="harness_maskgit.check:fits",
            smoke={"depth": 1},
            shrink=_shrunk,
            summary="MaskGIT (valeoai v1 and Halton): masked tokens of images in [-1, 1]; likelihood bound",
        )
    ]


@hookimpl
def harness_samplers() -> list[Sampler]:
    """Provide the samplers, which work for every model that predicts masked tokens."""
    needs = frozenset({"Tokens", "MaskedTokens"})
    return [
        Sampler(
            "maskgit-confidence",
            config=ConfidenceConfig,
            build="harness_maskgit.sampler:confidence",
            needs=needs,
            draws_tokens=True,
            formula=guidance_formula,  # type: ignore[arg-type] # takes the sampler's own settings
            smoke={"steps": 3},
            summary="fixes the surest tokens at each step; classifier-free guidance that grows over the steps",
        ),
        Sampler(
            "maskgit-halton",
            config=HaltonConfig,
            build="harness_maskgit.sampler:halton",
            needs=needs,
            draws_tokens=True,
            formula=guidance_formula,  # type: ignore[arg-type] # takes the sampler's own settings
            smoke={"steps": 3},
            summary="draws tokens in the order of a Halton sequence, known ones anew; constant classifier-free guidance",
        ),
    ]


@hookimpl
def harness_presets() -> list[Preset]:
    """Provide the published networks, and tiny ones."""
    from harness_maskgit.presets import PRESETS

    return list(PRESETS.values())
