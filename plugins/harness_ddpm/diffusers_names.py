"""The names that diffusers' `UNet2DModel` gives to the weights of Ho et al.'s network, and back."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from harness.errors import UserError

SHOWN = 5
"""Most names that a message lists."""

_MODULES = {
    "temb.dense.0": "time_embedding.linear_1", "temb.dense.1": "time_embedding.linear_2", "norm_out": "conv_norm_out",
    "mid.block_1": "mid_block.resnets.0", "mid.block_2": "mid_block.resnets.1", "mid.attn_1": "mid_block.attentions.0",
}  # fmt: skip
"""Modules outside of the levels: the name here, and the name in diffusers."""

_PARTS = {"block": "resnets", "attn": "attentions", "downsample": "downsamplers.0", "upsample": "upsamplers.0"}
"""Parts of a level."""

_IN_BLOCKS = {"temb_proj": "time_emb_proj", "nin_shortcut": "conv_shortcut"}
_IN_ATTENTION = {"norm": "group_norm", "q": "to_q", "k": "to_k", "v": "to_v", "proj_out": "to_out.0"}

_OLD = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
"""Names of attention's layers in diffusers before version 0.15."""


def diffusers_name(name: str, levels: int) -> str:
    """Return the name in diffusers of a tensor of the network here, which has so many levels."""
    for here, there in _MODULES.items():
        if name.startswith(f"{here}."):
            name = there + name.removeprefix(here)
            break
    if match := re.match(r"(down|up)\.(\d+)\.(block|attn|downsample|upsample)\.(.*)", name):
        way, level, part, rest = match[1], int(match[2]), match[3], match[4]
        # diffusers numbers the way up in the order of running, coarsest first; the names here go by level on both ways.
        place = level if way == "down" else levels - 1 - level
        name = f"{way}_blocks.{place}.{_PARTS[part]}.{rest}"
    for here, there in (_IN_ATTENTION if ".attentions." in name else _IN_BLOCKS).items():
        name = re.sub(rf"\.{here}\.(weight|bias)$", rf".{there}.\1", name)
    return name


def to_diffusers(weights: Mapping[str, Tensor], levels: int) -> dict[str, Tensor]:
    """Return the same weights with the names and shapes of a diffusers `UNet2DModel` of so many levels."""
    renamed = {}
    for name, value in weights.items():
        other = diffusers_name(name, levels)
        # Attention's layers are 1×1 convolutions here and linear layers there.
        is_projection = re.search(r"\.to_(q|k|v|out\.0)\.weight$", other) is not None
        renamed[other] = value[:, :, 0, 0] if is_projection else value
    return renamed


def weights_from_diffusers(weights: Mapping[str, Tensor], network: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Undo `to_diffusers`, also for files with attention's old names.

    Args:
        weights: the tensors of a diffusers file.
        network: a state dict of the network here, for its names and shapes.
    Raises: UserError, which names the tensors that are missing or left over.
    """
    levels = 1 + max(int(match[1]) for name in network if (match := re.match(r"down\.(\d+)\.", name)))
    weights_here, unused = {}, dict(weights)
    for name, value in network.items():
        other = diffusers_name(name, levels)
        spellings = [other, *(other.replace(f".{new}.", f".{old}.") for new, old in _OLD.items() if f".{new}." in other)]
        stored = next((unused.pop(spelling) for spelling in spellings if spelling in unused), None)
        if stored is None:
            raise UserError(f"the diffusers weights have no {other}, which would be {name} here")
        # A tensor of another size stays as it is: the caller reports it with all other tensors that do not fit.
        weights_here[name] = stored.reshape(value.shape) if stored.numel() == value.numel() else stored
    if unused:
        raise UserError(f"the diffusers weights have {', '.join(sorted(unused)[:SHOWN])}, which this network has not")
    return weights_here
