"""Files of MaskGIT: the transformer's and the tokenizer's, apart as published."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor

from harness.weights.layouts import Layout, unwrapped
from harness.weights.stored import Stored
from harness_maskgit.model import WithTokenizer


class MaskGITLayout(Layout):
    """The names are the network's own; the tokenizer's stand in a file of their own, or behind `tokenizer.`."""

    def tensors(self, stored: Stored, network: torch.nn.Module, part: str) -> Mapping[str, Tensor]:
        """Without the discriminator of taming's files, and without the second name of the tied embedding."""
        own, found = cast(WithTokenizer, network), unwrapped(stored, self.keys)
        if part == "tokenizer":
            return {name: value for name, value in found.items() if not name.startswith("loss.")}
        if "tok_emb.weight" in found:
            found.pop("head.weight", None)
        has_tokenizer = any(name.startswith("tokenizer.") for name in found)
        if not part and not has_tokenizer and own.config.tokenizer.weights is not None:
            # The settings name the tokenizer's file, and the network was built with it.
            found |= {f"tokenizer.{name}": value for name, value in own.tokenizer.state_dict().items()}
        return found
