"""Whether tokens, tokenizer and data fit each other, as far as settings and headers of files tell: torch for the latter alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.components import ModelUsage
from harness.errors import UserError
from harness.toolkit.tokenizer_file import TokenizerFile
from harness_maskgit import MaskGITConfig, VQGANConfig

if TYPE_CHECKING:
    from torch import nn


def fits(config: MaskGITConfig, usage: ModelUsage) -> None:
    """Raises: UserError for images that the tokens do not give, or a tokenizer file of other sizes."""
    spec = usage.data
    unit = config.tokenizer.downsample
    size = config.input_size * unit
    if len(spec.shape) != 3 or spec.shape[1:] != (size, size):
        raise UserError(
            f"model maskgit: {config.input_size} tokens a side of {unit} pixels make images of {size}×{size}, but "
            f"the data has shape {spec.shape}; change input_size, or the length of tokenizer.ch_mult"
        )
    tokenizer, channels = config.tokenizer, spec.shape[0]
    if tokenizer.weights is not None:
        telling = {
            "quantize.embedding.weight": (tokenizer.codebook_size, tokenizer.embed_dim),
            "encoder.conv_in.weight": (tokenizer.ch, channels, 3, 3),
        }

        def make() -> nn.Module:
            from harness_maskgit.tokenizer import VQGAN

            return VQGAN(tokenizer, channels=channels)

        tokenizer_file(tokenizer).check(telling, make)


def tokenizer_file(config: VQGANConfig) -> TokenizerFile:
    """The file that the settings name; they must name one. Taming's files hold the discriminator too, as `loss.*`."""
    where = f"model maskgit: tokenizer.weights {config.weights}"
    return TokenizerFile(Path(str(config.weights)), config.sha256, where, ignored=("loss.",))
