"""The constructor arguments of published EDM2 networks as settings of this plugin."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from harness.config import Config
from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.weights.layouts import Layout, renamed_attention
from harness.weights.stored import Stored
from harness_edm2 import EDM2Config

# What a network has whose file leaves the argument out.
DEFAULTS: Mapping[str, object] = {
    "model_channels": 192, "channel_mult": [1, 2, 3, 4], "channel_mult_noise": None, "channel_mult_emb": None,
    "num_blocks": 3, "attn_resolutions": [16, 8], "label_balance": 0.5, "concat_balance": 0.5, "channels_per_head": 64,
    "dropout": 0.0, "res_balance": 0.3, "attn_balance": 0.3, "clip_act": 256.0, "resample_filter": [1, 1],
    "sigma_data": 0.5, "logvar_channels": 128,
}  # fmt: skip
DATA = ("img_resolution", "img_channels", "label_dim")
IGNORED = ("use_fp16", "preconditioner", "defaults")
"""How the network was run; its function in float32 does not depend on it."""


def from_arguments(arguments: Mapping[str, object]) -> tuple[EDM2Config, DataSpec]:
    """Settings and data of a network from the arguments with which its file says it was made.

    Raises: UserError for an argument that this plugin has not.
    """
    if strange := sorted(set(arguments) - {*DEFAULTS, *DATA, *IGNORED}):
        raise UserError(f"EDM2 network with arguments that are not known here: {', '.join(strange)}")
    settings = {name: arguments.get(name, default) for name, default in DEFAULTS.items()}
    size = arguments["img_resolution"]
    spec = DataSpec((arguments["img_channels"], size, size), arguments.get("label_dim", 0), "images")  # type: ignore[arg-type]
    return EDM2Config.model_validate(settings), spec


class EDM2Layout(Layout):
    """Network pickles, whose names are the network's own, and which say with what arguments it was made.

    The part `vae` is a diffusers folder or file of an `AutoencoderKL`, whose attention may have the names of old versions.
    """

    def tensors(self, stored: Stored, network: torch.nn.Module, part: str) -> Mapping[str, Tensor]:
        """By the names of the network, or of the VAE."""
        found = super().tensors(stored, network, part)
        return renamed_attention(found) if part == "vae" else found

    def describe(self, stored: Stored) -> tuple[Config, DataSpec] | None:
        """From a network with EDM2's preconditioning."""
        if stored.config.get("class_name") != "Precond":
            return None
        return from_arguments({name: value for name, value in stored.config.items() if name != "class_name"})
