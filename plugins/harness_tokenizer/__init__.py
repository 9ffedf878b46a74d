"""Training of the tokenizers that token models work on: the first step of pretraining such a base."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from harness import Config, Method, hookimpl
from harness.training.optimizer import OptimizerConfig

__version__ = "1"


class TokenizerOptimizer(OptimizerConfig):
    """Adam with the second moment's decay of published tokenizers."""

    lr: float = Field(1e-3, gt=0, description="peak learning rate")
    betas: tuple[float, float] = Field((0.9, 0.95), description="Adam's and AdamW's moment decays")


class TokenizerConfig(Config):
    """Settings of `tokenizer`."""

    reconstruction: Literal["squared", "absolute"] = Field(
        "squared", description="error of an image: the mean of the squared or of the absolute differences of its pixels"
    )
    commitment: float = Field(0.25, ge=0, le=100, description="weight of the term that pulls latents to their codes")
    codebook: float = Field(1.0, ge=0, le=100, description="weight of the term that pulls codes to their latents")
    revive_every: int = Field(
        50, ge=0, description="steps between revivals, which move codes that no token has used since the last one; 0: no revival"
    )
    optimizer: TokenizerOptimizer = Field(TokenizerOptimizer(), description="optimiser of the tokenizer")


@hookimpl
def harness_methods() -> Sequence[Method]:
    """Provide the method."""
    return [
        Method(
            "tokenizer",
            build="harness_tokenizer.method:TrainTokenizer",
            summary="the tokenizer's own training: reconstruction and commitment (VQ-VAE), unused codes revived",
            config=TokenizerConfig,
            needs=frozenset({"TrainsTokenizer"}),
            from_scratch=True,
            smoke={"revive_every": 2},
        )
    ]
