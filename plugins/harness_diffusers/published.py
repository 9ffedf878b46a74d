"""Folders and files of diffusers' `UNet2DModel`: names of old versions, and what config.json says."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from pydantic import ValidationError
from torch import Tensor

from harness.config import Config
from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.toolkit.chains import ImageChainConfig
from harness.weights.layouts import Layout, renamed_attention
from harness.weights.stored import Stored
from harness_diffusers import UNet2DConfig

# Arguments of `UNet2DModel` that are no settings here, and what they must be.
FIXED: Mapping[str, object] = {"time_embedding_type": "positional", "class_embed_type": None, "num_class_embeds": None}
DEFAULTS: Mapping[str, object] = {
    "down_block_types": ["DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"],
    "up_block_types": ["AttnUpBlock2D", "AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"],
    "block_out_channels": [224, 448, 672, 896], "layers_per_block": 2, "norm_num_groups": 32,
}  # fmt: skip
"""Sizes that a config.json leaves out; in all else the settings' defaults are diffusers' own."""


def from_config(config: Mapping[str, object]) -> tuple[UNet2DConfig, DataSpec]:
    """Settings and data of a network from its config.json.

    Raises: UserError for a network that takes labels or no time of a chain, and for settings that are not known here.
    """
    for name, value in FIXED.items():
        if config.get(name, value) != value:
            raise UserError(f"this UNet2DModel is none that diffusers-unet runs: {name} is {config[name]!r}, not {value!r}")
    size, channels = config.get("sample_size"), config.get("in_channels", 3)
    if not isinstance(size, int) or not isinstance(channels, int) or channels != config.get("out_channels", 3):
        raise UserError(f"this UNet2DModel makes no square images: sample_size {size!r}, in_channels {channels!r}")
    known = {name for name in UNet2DConfig.model_fields if name not in ImageChainConfig.model_fields}
    settings = {**DEFAULTS, **{name: value for name, value in config.items() if name in known}}
    try:
        return UNet2DConfig.model_validate(settings), DataSpec((channels, size, size), 0, "images")
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UserError(f"this UNet2DModel is none that diffusers-unet runs: {where}: {first['msg']}") from None


class DiffusersLayout(Layout):
    """The library's own names, and those that its attention had before version 0.15."""

    def tensors(self, stored: Stored, network: torch.nn.Module, part: str) -> Mapping[str, Tensor]:
        """By the names of today."""
        return renamed_attention(super().tensors(stored, network, part))

    def describe(self, stored: Stored) -> tuple[Config, DataSpec] | None:
        """From the config.json of a `UNet2DModel`; the chain's settings, which it does not hold, are the defaults."""
        return from_config(stored.config) if stored.config.get("_class_name") == "UNet2DModel" else None
