"""The files of MaskGIT: the transformer's and the tokenizer's, apart as published."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor

from harness.toolkit.token_images import with_tokenizer
from harness.weights.layouts import Layout, unwrapped
from harness.weights.stored import Stored
from harness_maskgit.model import WithTokenizer


class MaskGITLayout(Layout):
    """The names are the network's own. A tokenizer's stand in a file of their own, or begin with `tokenizer.`."""

    def tensors(self, stored: Stored, network: torch.nn.Module, part: str) -> Mapping[str, Tensor]:
        """Return the tensors of a file, without the discriminator of taming's files and the second name of the tied embedding.

        A file of the transformer alone gets the tokenizer whose file the settings name, which the network was built with.
        """
        own, tensors = cast(WithTokenizer, network), unwrapped(stored, self.keys)
        if part == "tokenizer":
            return {name: value for name, value in tensors.items() if not name.startswith("loss.")}
        if "tok_emb.weight" in tensors:
            tensors.pop("head.weight", None)
        if not part and own.config.tokenizer.weights is not None:
            return with_tokenizer(tensors, own.tokenizer)
        return tensors
