"""Published DDPM networks: their settings and names, of Ho et al.'s layout and of diffusers'."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from harness.config import Config
from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.weights.layouts import Layout, unwrapped
from harness.weights.stored import Stored
from harness_ddpm import UNetConfig

GROUPS = 32


def from_arguments(arguments: Mapping[str, object]) -> tuple[UNetConfig, DataSpec]:
    """Settings and data from the arguments of SFT-PG's network: ch, ch_mult, num_res_blocks, attn_resolutions, …"""
    names = ("ch", "ch_mult", "num_res_blocks", "attn_resolutions", "dropout")
    if arguments["in_channels"] != arguments["out_ch"]:
        raise UserError("a DDPM network here gives as many channels as it takes")
    settings = {name: arguments[name] for name in names if name in arguments} | {"norm_groups": GROUPS}
    size = arguments["resolution"]
    return UNetConfig.model_validate(settings), DataSpec((arguments["in_channels"], size, size), 0, "images")  # type: ignore[arg-type]


# What a diffusers network must have so that it computes the same function.
REQUIRED: Mapping[str, object] = {
    "center_input_sample": False, "time_embedding_type": "positional", "freq_shift": 1, "flip_sin_to_cos": False,
    "mid_block_scale_factor": 1, "downsample_padding": 0, "act_fn": "silu", "attention_head_dim": None,
    "norm_eps": 1e-6,
}  # fmt: skip


def is_of_this_architecture(config: Mapping[str, object]) -> bool:
    """Whether a `UNet2DModel` with this config computes what the network here does."""
    kinds = [str(kind) for key in ("down_block_types", "up_block_types") for kind in config.get(key, ())]  # type: ignore[attr-defined]
    plain = {"DownBlock2D", "AttnDownBlock2D", "UpBlock2D", "AttnUpBlock2D"}
    return set(kinds) <= plain and all(config.get(name, value) == value for name, value in REQUIRED.items())


def from_diffusers(config: Mapping[str, object]) -> tuple[UNetConfig, DataSpec]:
    """Settings and data from the config of a diffusers `UNet2DModel` of this architecture.

    Raises: UserError for one of another architecture, naming the first difference; diffusers itself runs those.
    """
    for name, value in REQUIRED.items():
        if config.get(name, value) != value:
            raise UserError(f"this UNet2DModel is no network of Ho et al.: {name} is {config[name]!r}, not {value!r}")
    widths, size = list(config["block_out_channels"]), config["sample_size"]  # type: ignore[call-overload]
    kinds = list(config["down_block_types"])  # type: ignore[call-overload]
    settings = {
        "ch": widths[0],
        "ch_mult": [wide // widths[0] for wide in widths],
        "num_res_blocks": config["layers_per_block"],
        "attn_resolutions": [size >> level for level, kind in enumerate(kinds) if kind.startswith("Attn")],  # type: ignore[operator]
        "norm_groups": config["norm_num_groups"],
        "dropout": config.get("dropout", 0.0),
    }
    return UNetConfig.model_validate(settings), DataSpec((config["in_channels"], size, size), 0, "images")  # type: ignore[arg-type]


_INSIDE = (  # (here, in diffusers), inside a block or an attention
    ("temb_proj", "time_emb_proj"), ("nin_shortcut", "conv_shortcut"),
)  # fmt: skip
_ATTENTION = (("norm", "group_norm"), ("q", "to_q"), ("k", "to_k"), ("v", "to_v"), ("proj_out", "to_out.0"))
_OLD = (("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn"))


def to_diffusers(weights: Mapping[str, Tensor], levels: int) -> dict[str, Tensor]:
    """The same weights with the names and shapes of a diffusers `UNet2DModel` of so many levels."""
    renamed = {}
    for name, value in weights.items():
        other = _diffusers_name(name, levels)
        is_projection = re.search(r"\.to_(q|k|v|out\.0)\.weight$", other) is not None
        renamed[other] = value[:, :, 0, 0] if is_projection else value
    return renamed


def weights_from_diffusers(weights: Mapping[str, Tensor], names: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of `to_diffusers`, also for files with the attention's old names.

    Args:
        names: a state dict of the network here, for its names and shapes.
    Raises: UserError naming what is missing or left over.
    """
    levels = 1 + max(int(match[1]) for name in names if (match := re.match(r"down\.(\d+)\.", name)))
    found, left = {}, dict(weights)
    for name, shape in names.items():
        other = _diffusers_name(name, levels)
        spellings = [other, *(other.replace(f".{new}.", f".{old}.") for new, old in _OLD if f".{new}." in other)]
        stored = next((left.pop(one) for one in spellings if one in left), None)
        if stored is None:
            raise UserError(f"the diffusers weights have no {other}, which would be {name} here")
        # What cannot take the shape stays as it is, and is reported with all others.
        found[name] = stored.reshape(shape.shape) if stored.numel() == shape.numel() else stored
    if left:
        raise UserError(f"the diffusers weights have {', '.join(sorted(left)[:5])}, which this network has not")
    return found


def _diffusers_name(name: str, levels: int) -> str:
    """The name in diffusers of a tensor here."""
    heads = {
        r"temb\.dense\.0": "time_embedding.linear_1", r"temb\.dense\.1": "time_embedding.linear_2",
        r"norm_out": "conv_norm_out", r"mid\.block_1": "mid_block.resnets.0", r"mid\.block_2": "mid_block.resnets.1",
        r"mid\.attn_1": "mid_block.attentions.0",
    }  # fmt: skip
    for here, there in heads.items():
        if re.match(rf"{here}\.", name):
            name = re.sub(rf"^{here}\.", f"{there}.", name)
            break
    if match := re.match(r"(down|up)\.(\d+)\.(block|attn|downsample|upsample)\.(.*)", name):
        way, level, part, rest = match[1], int(match[2]), match[3], match[4]
        place = level if way == "down" else levels - 1 - level
        inside = {"block": "resnets", "attn": "attentions", "downsample": "downsamplers.0", "upsample": "upsamplers.0"}
        name = f"{way}_blocks.{place}.{inside[part]}.{rest}"
    table = _ATTENTION if ".attentions." in name else _INSIDE
    for here, there in table:
        name = re.sub(rf"\.{here}\.(weight|bias)$", rf".{there}.\1", name)
    return name


class DDPMLayout(Layout):
    """Files with the names of Ho et al.'s layout, in `model` or `state_dict` or at the top, or with those of diffusers."""

    def tensors(self, stored: Stored, network: torch.nn.Module, part: str) -> Mapping[str, Tensor]:
        """By the names here. Raises: UserError as `weights_from_diffusers`."""
        found = unwrapped(stored)
        return weights_from_diffusers(found, network.state_dict()) if "conv_norm_out.weight" in found else found

    def describe(self, stored: Stored) -> tuple[Config, DataSpec] | None:
        """From the config.json of a `UNet2DModel` that computes the same function."""
        if stored.config.get("_class_name") != "UNet2DModel" or not is_of_this_architecture(stored.config):
            return None
        return from_diffusers(stored.config)
