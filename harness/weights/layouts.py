"""Layouts: rules for how weight files of a family of networks name their tensors. A plugin derives its rules from `Layout`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from harness.config import Config
from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.weights.stored import Stored
from harness.weights.table_names import without_wrappers
from harness.weights.tables import tables_of

PLAIN = ("state_dict", "model_state_dict", "model", "net", "params")
"""Keys under which checkpoints keep the trained weights, not averaged."""

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
        keys: keys of the family's own, under which its checkpoints keep the network. These go before all others.
    """

    keys: tuple[str, ...] = ()

    def tensors(self, stored: Stored, network: torch.nn.Module, part: str) -> Mapping[str, Tensor]:
        """Return the file's tensors under the names that they have in `part` of the network (`""`: the whole network).

        The harness calls this once for each table of tensors in a file; `stored.content` is that table alone, and the table that
        fits the network is read. Tensors that the network does not use may be left out here.
        Raises: UserError when there are no tensors.
        """
        return unwrapped(stored, self.keys)

    def describe(self, stored: Stored) -> tuple[Config, DataSpec] | None:
        """Return the settings of the network that a file describes, and the spec of its data; None for a file of another family.

        Raises: UserError for a file of this family that the plugin's network cannot compute.
        """
        return None


def unwrapped(stored: Stored, keys: Sequence[str] = ()) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint by name, without the prefix of a wrapper.

    Where it has several tables of tensors, the one under the first of `keys` is taken, or else the only one whose name says that
    its weights are averaged, or else the only one under a key of PLAIN, or else the tensors at the top.
    Raises: UserError, naming what the file has, when there are no tensors, or several tables and none goes before the others.
    """
    tables = tables_of(stored.content).named
    if not tables:
        raise without_tensors(stored)
    choices = [[table for table in tables if table.path[-1:] == (key,)] for key in keys]
    choices += [
        [table for table in tables if table.is_averaged],
        [table for table in tables if table.path and table.path[-1] in PLAIN],
        [table for table in tables if not table.path],
        tables,
    ]
    for chosen in choices:
        if len(chosen) == 1:
            return without_wrappers(chosen[0].tensors)
    raise UserError(f"{stored.path}: holds several tables of tensors: {', '.join(table.title for table in tables)}")


def without_tensors(stored: Stored) -> UserError:
    """Return the error for a file without any table of tensors."""
    has = ", ".join(sorted(stored.content)[:8]) or "nothing"
    return UserError(f"{stored.path}: no tensors by name, neither at its top nor in its tables; it has {has}")
