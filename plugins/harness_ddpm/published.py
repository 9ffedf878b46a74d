"""Published DDPM networks as settings and weights of this plugin: files of Ho et al.'s layout, and of diffusers."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from harness.config import Config
from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.toolkit.published_arguments import checked_settings, square_images, whole_number
from harness.weights.layouts import Layout, unwrapped
from harness.weights.stored import Stored
from harness_ddpm import UNetConfig
from harness_ddpm.diffusers_names import weights_from_diffusers

GROUPS = 32
"""Groups of the normalisations in networks of Ho et al.'s layout, whose arguments do not name them."""

REQUIRED: Mapping[str, object] = {
    "center_input_sample": False, "time_embedding_type": "positional", "freq_shift": 1, "flip_sin_to_cos": False,
    "mid_block_scale_factor": 1, "mid_block_type": "UNetMidBlock2D", "downsample_padding": 0, "downsample_type": "conv",
    "upsample_type": "conv", "act_fn": "silu", "attention_head_dim": None, "norm_eps": 1e-6, "attn_norm_num_groups": None,
    "resnet_time_scale_shift": "default", "add_attention": True, "time_embedding_dim": None, "class_embed_type": None,
    "num_class_embeds": None,
}  # fmt: skip
"""The values in the config of a diffusers network with which it computes the same function as the network here."""

LEFT_OUT: Mapping[str, object] = {
    **REQUIRED, "freq_shift": 0, "flip_sin_to_cos": True, "downsample_padding": 1, "attention_head_dim": 8, "norm_eps": 1e-5,
    "down_block_types": ["DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"],
    "up_block_types": ["AttnUpBlock2D", "AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"],
    "block_out_channels": [224, 448, 672, 896], "layers_per_block": 2, "norm_num_groups": 32, "dropout": 0.0,
    "in_channels": 3, "out_channels": 3,
}  # fmt: skip
"""The values that diffusers takes where a config leaves them out."""

BLOCKS = {"DownBlock2D", "AttnDownBlock2D", "UpBlock2D", "AttnUpBlock2D"}
"""Kinds of diffusers' levels that the network here has too."""


def from_arguments(arguments: Mapping[str, object]) -> tuple[UNetConfig, DataSpec]:
    """Return settings and data from the arguments of SFT-PG's network: ch, ch_mult, num_res_blocks, attn_resolutions, …

    Raises: UserError for a network that gives another number of channels than it takes.
    """
    names = ("ch", "ch_mult", "num_res_blocks", "attn_resolutions", "dropout")
    where = "DDPM network"
    channels, side = (whole_number(arguments, name, where=where, least=1) for name in ("in_channels", "resolution"))
    if channels != whole_number(arguments, "out_ch", where=where):
        raise UserError(f"{where}: out_ch is {arguments['out_ch']}, and a DDPM gives as many channels as it takes: {channels}")
    settings = {name: arguments[name] for name in names if name in arguments} | {"norm_groups": GROUPS}
    return checked_settings(UNetConfig, settings, where=where), square_images(channels, side)


WHERE = "this UNet2DModel is no network of Ho et al."


def is_of_this_architecture(config: Mapping[str, object]) -> bool:
    """Say whether a `UNet2DModel` with this config computes what the network here computes."""
    return _difference({**LEFT_OUT, **config}) is None


def from_diffusers(config: Mapping[str, object]) -> tuple[UNetConfig, DataSpec]:
    """Return settings and data from the config of a diffusers `UNet2DModel` of this architecture.

    Raises: UserError for a network of another architecture, with the first difference. The plugin of diffusers runs those.
    """
    complete = {**LEFT_OUT, **config}
    if (difference := _difference(complete)) is not None:
        raise UserError(f"{WHERE}: {difference}")
    channels, side = (whole_number(complete, name, where=WHERE, least=1) for name in ("in_channels", "sample_size"))
    widths, kinds = _widths(complete), _names(complete, "down_block_types")
    settings = {
        "ch": widths[0],
        "ch_mult": [width // widths[0] for width in widths],
        "num_res_blocks": complete["layers_per_block"],
        "attn_resolutions": [side >> level for level, kind in enumerate(kinds) if kind.startswith("Attn")],
        "norm_groups": complete["norm_num_groups"],
        "dropout": complete["dropout"],
    }
    return checked_settings(UNetConfig, settings, where=WHERE), square_images(channels, side)


def _difference(config: Mapping[str, object]) -> str | None:
    """Return the first setting by which a `UNet2DModel` is another network than the one here; None where there is none."""
    for name, value in REQUIRED.items():
        if config[name] != value:
            return f"{name} is {config[name]!r}, not {value!r}"
    down, up, widths = _names(config, "down_block_types"), _names(config, "up_block_types"), _widths(config)
    if other := sorted({*down, *up} - BLOCKS):
        return f"it has levels of the kind {other[0]}"
    if (
        not down
        or len(widths) != len(down)
        or [kind.startswith("Attn") for kind in up[::-1]] != [kind.startswith("Attn") for kind in down]
    ):
        return f"down_block_types, up_block_types and block_out_channels are not of the same levels: {down}, {up}, {widths}"
    if config["in_channels"] != config["out_channels"]:
        return f"out_channels is {config['out_channels']!r}, and a DDPM gives as many channels as it takes"
    if any(width % widths[0] for width in widths):
        return f"block_out_channels is {widths}, and widths here are whole multiples of the first"
    return None


def _widths(config: Mapping[str, object]) -> list[int]:
    """Return the widths of the levels; none where one of them is no width."""
    widths = [width for width in _values(config, "block_out_channels") if isinstance(width, int) and width > 0]
    return widths if len(widths) == len(_values(config, "block_out_channels")) else []


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
