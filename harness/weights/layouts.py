"""Layouts: rules for how weight files of a family of networks name their tensors. A plugin derives its rules from `Layout`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from harness.config import Config
from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.weights.stored import Stored

AVERAGED = ("ema", "model_ema", "ema_model", "ema_state_dict", "params_ema")
"""Keys under which checkpoints keep averaged weights. These are preferred to all others, since papers evaluate them."""

PLAIN = ("state_dict", "model_state_dict", "model", "net", "params")
"""Keys under which checkpoints keep the trained weights, not averaged."""

WRAPPERS = ("module.", "_orig_mod.")
"""Prefixes that data parallelism and compilation put before every name."""

_LEVELS = 8
"""The largest number of nested tables around the tensors of a checkpoint."""

_OLD_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}


def renamed_attention(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of a diffusers network by their current names. Files from before 2023 have other names for attention."""

    def new_name(name: str) -> str:
        head, _, kind = name.rpartition(".")
        block, _, layer = head.rpartition(".")
        return f"{block}.{_OLD_ATTENTION[layer]}.{kind}" if ".attentions." in name and layer in _OLD_ATTENTION else name

    return {new_name(name): value for name, value in tensors.items()}


class Layout:
    """Files that use the network's own names, possibly inside a checkpoint's tables or behind a wrapper's prefix.

    Args of a derived class:
        keys: keys under which a checkpoint may keep the tensors; the first key that is present is taken.
    """

    keys: tuple[str, ...] = (*AVERAGED, *PLAIN)

    def tensors(self, stored: Stored, network: torch.nn.Module, part: str) -> Mapping[str, Tensor]:
        """Return the file's tensors under the names that they have in `part` of the network (`""`: the whole network).

        The caller reports names that are missing or unexpected. Tensors that the network does not use may be left out here.
        Raises: UserError when there are no tensors.
        """
        return unwrapped(stored, self.keys)

    def describe(self, stored: Stored) -> tuple[Config, DataSpec] | None:
        """Return the settings of the network that a file describes, and the spec of its data; None for a file of another family.

        Raises: UserError for a file of this family that the plugin's network cannot compute.
        """
        return None


def unwrapped(stored: Stored, keys: Sequence[str] = (*AVERAGED, *PLAIN)) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint by name, without the prefix of a wrapper.

    Args:
        keys: keys to follow. As long as a table holds another table under one of these keys, the first such key is followed.
    Raises: UserError, naming what the file has, when there are no tensors.
    """
    table: Mapping[str, object] = stored.content
    for _ in range(_LEVELS):
        inner = _inner_table(table, keys)
        if inner is None:
            break
        table = inner
    tensors = {name: value for name, value in table.items() if isinstance(value, Tensor)}
    if not tensors:
        raise UserError(
            f"{stored.path}: no tensors by name, neither at its top nor under {', '.join(keys)}; "
            f"it has {', '.join(sorted(table)[:8]) or 'nothing'}"
        )
    for prefix in WRAPPERS:
        if all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): value for name, value in tensors.items()}
    return tensors


def _inner_table(table: Mapping[str, object], keys: Sequence[str]) -> dict[str, object] | None:
    for key in keys:
        value = table.get(key)
        if isinstance(value, Mapping) and value:
            return {str(name): entry for name, entry in value.items()}
    return None
