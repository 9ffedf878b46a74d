"""How the files of a family of networks name their tensors. A plugin derives its own rules from `Layout`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from harness.config import Config
from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.weights.stored import Stored

AVERAGED = ("ema", "model_ema", "ema_model", "ema_state_dict", "params_ema")
"""Where checkpoints keep averaged weights. They are taken before all others, since papers evaluate them."""

PLAIN = ("state_dict", "model_state_dict", "model", "net", "params")
"""Where checkpoints keep weights as they were trained."""

WRAPPERS = ("module.", "_orig_mod.")
"""What data parallelism and compilation write before every name."""

_LEVELS = 8
"""How many tables inside one another a checkpoint may have around its tensors."""

_OLD_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}


def renamed_attention(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of a diffusers network by today's names: files from before 2023 name those of attention otherwise."""

    def new_name(name: str) -> str:
        head, _, kind = name.rpartition(".")
        block, _, layer = head.rpartition(".")
        return f"{block}.{_OLD_ATTENTION[layer]}.{kind}" if ".attentions." in name and layer in _OLD_ATTENTION else name

    return {new_name(name): value for name, value in tensors.items()}


class Layout:
    """Files that use the network's own names, possibly inside a checkpoint's tables or behind a wrapper's prefix.

    Args of a derived class:
        keys: where in a checkpoint the tensors are; the first key that is there is taken.
    """

    keys: tuple[str, ...] = (*AVERAGED, *PLAIN)

    def tensors(self, stored: Stored, network: torch.nn.Module, part: str) -> Mapping[str, Tensor]:
        """Return the file's tensors by the names of the part that the file is for (`""`: the network).

        The caller reports names that are missing or unexpected. Names that mean nothing to the network may be left out here.
        Raises: UserError when there are no tensors.
        """
        return unwrapped(stored, self.keys)

    def describe(self, stored: Stored) -> tuple[Config, DataSpec] | None:
        """Return the settings and the data of the network that a file of this family describes; None for other files.

        Raises: UserError for a file of this family that the plugin's network cannot compute.
        """
        return None


def unwrapped(stored: Stored, keys: Sequence[str] = (*AVERAGED, *PLAIN)) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint by name, without the prefix of a wrapper.

    Args:
        keys: while a table has one of these keys with another table under it, the first such key is followed.
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
