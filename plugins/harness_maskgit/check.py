"""Whether the tokens, the tokenizer and the data fit each other, as far as settings and the headers of files tell."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.components import ModelUsage
from harness.toolkit.token_images import check_image_size
from harness.toolkit.tokenizer_file import TokenizerFile
from harness_maskgit import MaskGITConfig, VQGANConfig

if TYPE_CHECKING:
    from torch import nn


def fits(config: MaskGITConfig, usage: ModelUsage) -> None:
    """Check the settings against the data and the tokenizer's file. It imports torch only where a file is named.

    Raises: UserError for images of another size than the tokens give, or a file of another tokenizer.
    """
    tokenizer = config.tokenizer
    advice = "change input_size, or the length of tokenizer.ch_mult"
    check_image_size(usage.data, model="maskgit", tokens=config.input_size, pixels=tokenizer.downsample, advice=advice)
    if tokenizer.weights is None:
        return
    channels = usage.data.shape[0]
    shapes_by_setting = {
        "quantize.embedding.weight": (tokenizer.codebook_size, tokenizer.embed_dim),
        "encoder.conv_in.weight": (tokenizer.ch, channels, 3, 3),
    }

    def make() -> nn.Module:
        from harness_maskgit.tokenizer import VQGAN

        return VQGAN(tokenizer, channels=channels)

    tokenizer_file(tokenizer).check(shapes_by_setting, make)


def tokenizer_file(config: VQGANConfig) -> TokenizerFile:
    """Return the tokenizer's file, whose path the settings must name. Taming's files hold a discriminator too, as `loss.*`."""
    assert config.weights is not None
    where = f"model maskgit: tokenizer.weights {config.weights}"
    return TokenizerFile(Path(config.weights), config.sha256, where, ignored=("loss.",))
