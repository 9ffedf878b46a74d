"""Whether scales, tokenizer and data fit each other, as far as settings and headers of files tell: torch for the latter alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.components import ModelUsage
from harness.errors import UserError
from harness.toolkit.tokenizer_file import TokenizerFile
from harness_var import VARConfig, VQVAEConfig

if TYPE_CHECKING:
    from torch import nn


def fits(config: VARConfig, usage: ModelUsage) -> None:
    """Raises: UserError for images that scales and tokenizer do not give, or a tokenizer file of other sizes."""
    spec = usage.data
    sides, unit = config.patch_nums, config.tokenizer.downsample
    size = sides[-1] * unit
    if len(spec.shape) != 3 or spec.shape[1:] != (size, size):
        raise UserError(
            f"model var: {sides[-1]} tokens a side of {unit} pixels make images of {size}×{size}, but the data "
            f"has shape {spec.shape}; change the last of patch_nums, or the length of tokenizer.ch_mult"
        )
    tokenizer, channels = config.tokenizer, spec.shape[0]
    if tokenizer.weights is not None:
        telling = {
            "quantize.embedding.weight": (tokenizer.vocab_size, tokenizer.z_channels),
            "quantize.ema_vocab_hit_SV": (len(sides), tokenizer.vocab_size),
            "encoder.conv_in.weight": (tokenizer.ch, channels, 3, 3),
        }

        def make() -> nn.Module:
            from harness_var.tokenizer import VQVAE

            return VQVAE(tokenizer, sides, channels=channels)

        tokenizer_file(tokenizer).check(telling, make)


def tokenizer_file(config: VQVAEConfig) -> TokenizerFile:
    """The file that the settings name; they must name one."""
    return TokenizerFile(Path(str(config.weights)), config.sha256, f"model var: tokenizer.weights {config.weights}")
