"""The constructor arguments of published EDM2 networks as settings of this plugin."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from harness.config import Config
from harness.interfaces import DataSpec
from harness.toolkit.published_arguments import checked_settings, refuse_unknown, square_images, whole_number
from harness.weights.layouts import Layout, renamed_attention
from harness.weights.stored import Stored
from harness_edm2 import EDM2Config

WHERE = "EDM2 network"

DEFAULTS: Mapping[str, object] = {
    "model_channels": 192, "channel_mult": [1, 2, 3, 4], "channel_mult_noise": None, "channel_mult_emb": None,
    "num_blocks": 3, "attn_resolutions": [16, 8], "label_balance": 0.5, "concat_balance": 0.5, "channels_per_head": 64,
    "dropout": 0.0, "res_balance": 0.3, "attn_balance": 0.3, "clip_act": 256.0, "resample_filter": [1, 1],
    "sigma_data": 0.5, "logvar_channels": 128,
}  # fmt: skip
"""The values of arguments that a file leaves out."""

DATA = ("img_resolution", "img_channels", "label_dim")

IGNORED = ("use_fp16", "preconditioner", "defaults")
"""Arguments that say how the network was run. What it computes in float32 does not depend on them."""


def from_arguments(arguments: Mapping[str, object]) -> tuple[EDM2Config, DataSpec]:
    """Return settings and data of a network from the arguments with which it was made, according to its file.

    Raises: UserError for arguments that this plugin does not know.
    """
    refuse_unknown(arguments, {*DEFAULTS, *DATA, *IGNORED}, where=WHERE)
    settings = {name: arguments.get(name, default) for name, default in DEFAULTS.items()}
    channels, side = (whole_number(arguments, name, where=WHERE, least=1) for name in ("img_channels", "img_resolution"))
    classes = whole_number(arguments, "label_dim", default=0, where=WHERE)
    return checked_settings(EDM2Config, settings, where=WHERE), square_images(channels, side, classes)


class VAELayout(Layout):
    """Files of diffusers' `AutoencoderKL`, whose attention may have the names of old versions."""

    def tensors(self, stored: Stored, network: torch.nn.Module, part: str) -> Mapping[str, Tensor]:
        """Return the tensors by their names of today."""
        return renamed_attention(super().tensors(stored, network, part))


class EDM2Layout(Layout):
    """Network pickles, which have the names of the network itself, and which say with what arguments it was made.

    The part `vae` is a diffusers folder or file of an `AutoencoderKL`, whose attention may have the names of old versions.
    """

    def tensors(self, stored: Stored, network: torch.nn.Module, part: str) -> Mapping[str, Tensor]:
        """Return the tensors by the names of the network, or of the VAE for the part `vae`."""
        tensors = super().tensors(stored, network, part)
        return renamed_attention(tensors) if part == "vae" else tensors

    def describe(self, stored: Stored) -> tuple[Config, DataSpec] | None:
        """Return settings and data of a network with EDM2's preconditioning; None for other files."""
        if stored.config.get("class_name") != "Precond":
            return None
        return from_arguments({name: value for name, value in stored.config.items() if name != "class_name"})
