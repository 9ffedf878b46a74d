"""Published DDPM networks as settings and weights of this plugin: files of Ho et al.'s layout, and of diffusers."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from harness.config import Config
from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.toolkit.published_arguments import square_images, whole_number
from harness.weights.layouts import Layout, unwrapped
from harness.weights.stored import Stored
from harness_ddpm import UNetConfig
from harness_ddpm.diffusers_names import weights_from_diffusers

GROUPS = 32
"""Groups of the normalisations in networks of Ho et al.'s layout, whose arguments do not name them."""

REQUIRED: Mapping[str, object] = {
    "center_input_sample": False, "time_embedding_type": "positional", "freq_shift": 1, "flip_sin_to_cos": False,
    "mid_block_scale_factor": 1, "downsample_padding": 0, "act_fn": "silu", "attention_head_dim": None,
    "norm_eps": 1e-6,
}  # fmt: skip
"""The values in the config of a diffusers network with which it computes the same function as the network here."""

BLOCKS = {"DownBlock2D", "AttnDownBlock2D", "UpBlock2D", "AttnUpBlock2D"}
"""Kinds of diffusers' levels that the network here has too."""


def from_arguments(arguments: Mapping[str, object]) -> tuple[UNetConfig, DataSpec]:
    """Return settings and data from the arguments of SFT-PG's network: ch, ch_mult, num_res_blocks, attn_resolutions, …

    Raises: UserError for a network that gives another number of channels than it takes.
    """
    names = ("ch", "ch_mult", "num_res_blocks", "attn_resolutions", "dropout")
    where = "DDPM network"
    channels, side = (whole_number(arguments, name, where=where) for name in ("in_channels", "resolution"))
    if channels != whole_number(arguments, "out_ch", where=where):
        raise UserError(f"{where}: out_ch is {arguments['out_ch']}, and a DDPM gives as many channels as it takes: {channels}")
    settings = {name: arguments[name] for name in names if name in arguments} | {"norm_groups": GROUPS}
    return UNetConfig.model_validate(settings), square_images(channels, side)


def is_of_this_architecture(config: Mapping[str, object]) -> bool:
    """Say whether a `UNet2DModel` with this config computes what the network here computes."""
    kinds = {*_names(config, "down_block_types"), *_names(config, "up_block_types")}
    return kinds <= BLOCKS and all(config.get(name, value) == value for name, value in REQUIRED.items())


def from_diffusers(config: Mapping[str, object]) -> tuple[UNetConfig, DataSpec]:
    """Return settings and data from the config of a diffusers `UNet2DModel` of this architecture.

    Raises: UserError for a network of another architecture, with the first difference. The plugin of diffusers runs those.
    """
    where = "this UNet2DModel is no network of Ho et al."
    for name, value in REQUIRED.items():
        if config.get(name, value) != value:
            raise UserError(f"{where}: {name} is {config[name]!r}, not {value!r}")
    channels, side = (whole_number(config, name, where=where) for name in ("in_channels", "sample_size"))
    widths = [width for width in _values(config, "block_out_channels") if isinstance(width, int)]
    kinds = _names(config, "down_block_types")
    settings = {
        "ch": widths[0],
        "ch_mult": [width // widths[0] for width in widths],
        "num_res_blocks": config["layers_per_block"],
        "attn_resolutions": [side >> level for level, kind in enumerate(kinds) if kind.startswith("Attn")],
        "norm_groups": config["norm_num_groups"],
        "dropout": config.get("dropout", 0.0),
    }
    return UNetConfig.model_validate(settings), square_images(channels, side)


def _values(config: Mapping[str, object], name: str) -> list[object]:
    values = config.get(name, ())
    return list(values) if isinstance(values, (list, tuple)) else []


def _names(config: Mapping[str, object], name: str) -> list[str]:
    return [str(value) for value in _values(config, name)]


class DDPMLayout(Layout):
    """Files with the names of Ho et al.'s layout, or with those of diffusers."""

    def tensors(self, stored: Stored, network: torch.nn.Module, part: str) -> Mapping[str, Tensor]:
        """Return the tensors by the names here. Raises: UserError for a diffusers file with other tensors than the network."""
        tensors = unwrapped(stored)
        is_of_diffusers = "conv_norm_out.weight" in tensors
        return weights_from_diffusers(tensors, network.state_dict()) if is_of_diffusers else tensors

    def describe(self, stored: Stored) -> tuple[Config, DataSpec] | None:
        """Return settings and data from the config.json of a `UNet2DModel` that computes the same function; else None."""
        if stored.config.get("_class_name") != "UNet2DModel" or not is_of_this_architecture(stored.config):
            return None
        return from_diffusers(stored.config)
