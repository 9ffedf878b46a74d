"""Folders and files of diffusers' `UNet2DModel`: what config.json says, and the names of old versions."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from harness.config import Config
from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.toolkit.chains import ImageChainConfig
from harness.toolkit.published_arguments import checked_settings, square_images, whole_number
from harness.weights.layouts import Layout, renamed_attention
from harness.weights.stored import Stored
from harness_diffusers import UNet2DConfig

FIXED: Mapping[str, object] = {"time_embedding_type": "positional", "class_embed_type": None, "num_class_embeds": None}
"""Arguments of `UNet2DModel` that are no settings here, with the values that they must have."""

DEFAULTS: Mapping[str, object] = {
    "down_block_types": ["DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"],
    "up_block_types": ["AttnUpBlock2D", "AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"],
    "block_out_channels": [224, 448, 672, 896], "layers_per_block": 2, "norm_num_groups": 32,
}  # fmt: skip
"""The values of arguments that a config.json leaves out. For all others the defaults of the settings are those of diffusers."""


def from_config(config: Mapping[str, object]) -> tuple[UNet2DConfig, DataSpec]:
    """Return settings and data of a network from its config.json.

    Raises: UserError for a network that takes labels, that takes another time than a step of a chain, or that makes no square
    images; and for values that are not known here.
    """
    where = "diffusers-unet cannot run this UNet2DModel"
    for name, value in FIXED.items():
        if config.get(name, value) != value:
            raise UserError(f"{where}: {name} is {config[name]!r}, not {value!r}")
    side, channels, given = config.get("sample_size"), config.get("in_channels", 3), config.get("out_channels", 3)
    if isinstance(side, list | tuple) or channels != given:
        raise UserError(
            f"{where}: it makes no square images with as many channels as it takes: sample_size is {side!r}, "
            f"in_channels {channels!r}, out_channels {given!r}"
        )
    spec = square_images(
        whole_number(config, "in_channels", where=where, default=3, least=1),
        whole_number(config, "sample_size", where=where, least=1),
    )
    known = {name for name in UNet2DConfig.model_fields if name not in ImageChainConfig.model_fields}
    settings = {**DEFAULTS, **{name: value for name, value in config.items() if name in known}}
    return checked_settings(UNet2DConfig, settings, where=where), spec


class DiffusersLayout(Layout):
    """Files with the library's own names, or with those that attention had before version 0.15 of the library."""

    def tensors(self, stored: Stored, network: torch.nn.Module, part: str) -> Mapping[str, Tensor]:
        """Return the tensors by their names of today."""
        return renamed_attention(super().tensors(stored, network, part))

    def describe(self, stored: Stored) -> tuple[Config, DataSpec] | None:
        """Return settings and data from the config.json of a `UNet2DModel`; None for other files.

        A config.json does not hold the settings of the chain, which are therefore the defaults.
        """
        return from_config(stored.config) if stored.config.get("_class_name") == "UNet2DModel" else None
