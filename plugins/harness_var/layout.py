"""The files of VAR: the transformer's and the tokenizer's, apart as published, or together as training code saves them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor

from harness.toolkit.token_images import with_tokenizer
from harness.weights.layouts import Layout, unwrapped
from harness.weights.stored import Stored
from harness_var.model import VAR
from harness_var.network import CONSTANTS


class VARLayout(Layout):
    """The names are the network's own. A tokenizer's stand in a file of their own, or begin with `tokenizer.`."""

    def tensors(self, stored: Stored, network: torch.nn.Module, part: str) -> Mapping[str, Tensor]:
        """Return the tensors of a file, without tables that follow from the settings.

        A checkpoint of the published training code has both networks under `trainer`, the tokenizer as `vae_local` and the
        transformer as `var_wo_ddp`. A file of the transformer alone gets the tokenizer whose file the settings name, which the
        network was built with.
        """
        own = cast(VAR, network)
        trainer = stored.content.get("trainer")
        if isinstance(trainer, Mapping):
            stored = Stored(stored.path, stored.format, trainer)
        own_key = "vae_local" if part == "tokenizer" else "var_wo_ddp"
        tensors = unwrapped(stored, (own_key, *self.keys))
        tensors = {name: value for name, value in tensors.items() if name not in CONSTANTS}
        if not part and own.config.tokenizer.weights is not None:
            return with_tokenizer(tensors, own.tokenizer)
        return tensors
