"""Whether the scales, the tokenizer and the data fit each other, as far as settings and the headers of files tell."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.components import ModelUsage
from harness.toolkit.token_images import check_image_size
from harness.toolkit.tokenizer_file import TokenizerFile
from harness_var import VARConfig, VQVAEConfig

if TYPE_CHECKING:
    from torch import nn


def fits(config: VARConfig, usage: ModelUsage) -> None:
    """Check the settings against the data and the tokenizer's file. It imports torch only where a file is named.

    Raises: UserError for images of another size than the scales and the tokenizer give, or a file of another tokenizer.
    """
    tokenizer, sides = config.tokenizer, config.patch_nums
    advice = "change the last of patch_nums, or the length of tokenizer.ch_mult"
    check_image_size(usage.data, model="var", tokens=sides[-1], pixels=tokenizer.downsample, advice=advice)
    if tokenizer.weights is None:
        return
    channels = usage.data.shape[0]
    shapes_by_setting = {
        "quantize.embedding.weight": (tokenizer.vocab_size, tokenizer.z_channels),
        "quantize.ema_vocab_hit_SV": (len(sides), tokenizer.vocab_size),
        "encoder.conv_in.weight": (tokenizer.ch, channels, 3, 3),
    }

    def make() -> nn.Module:
        from harness_var.tokenizer import VQVAE

        return VQVAE(tokenizer, sides, channels=channels)

    tokenizer_file(tokenizer).check(shapes_by_setting, make)


def tokenizer_file(config: VQVAEConfig) -> TokenizerFile:
    """Return the tokenizer's file, whose path the settings must name."""
    assert config.weights is not None
    return TokenizerFile(Path(config.weights), config.sha256, f"model var: tokenizer.weights {config.weights}")
