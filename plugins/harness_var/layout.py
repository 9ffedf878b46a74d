"""Files of VAR: the transformer's and the tokenizer's, apart as published, or together as training code saves them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor

from harness.weights.layouts import Layout, unwrapped
from harness.weights.stored import Stored
from harness_var.model import VAR

CONSTANTS = ("lvl_1L", "attn_bias_for_masking")
"""Tables that follow from the settings."""


class VARLayout(Layout):
    """The names are the network's own; the tokenizer's stand in a file of their own, or behind `tokenizer.`."""

    def tensors(self, stored: Stored, network: torch.nn.Module, part: str) -> Mapping[str, Tensor]:
        """A checkpoint of the published training code has both networks under `trainer`."""
        own = cast(VAR, network)
        trainer = stored.content.get("trainer")
        if isinstance(trainer, Mapping):
            stored = Stored(stored.path, stored.format, trainer)
        keys = ("vae_local",) if part == "tokenizer" else ("var_wo_ddp",)
        found = unwrapped(stored, (*keys, *self.keys))
        found = {name: value for name, value in found.items() if name not in CONSTANTS}
        has_tokenizer = any(name.startswith("tokenizer.") for name in found)
        if not part and not has_tokenizer and own.config.tokenizer.weights is not None:
            # The settings name the tokenizer's file, and the network was built with it.
            found |= {f"tokenizer.{name}": value for name, value in own.tokenizer.state_dict().items()}
        return found
