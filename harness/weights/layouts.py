"""How the files of a family of networks name their tensors. A plugin derives its own from `Layout`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from harness.config import Config
from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.weights.stored import Stored

AVERAGED = ("ema", "model_ema", "ema_model", "ema_state_dict", "params_ema")
"""Where checkpoints keep averaged weights, which are what papers evaluate: looked at first."""

PLAIN = ("state_dict", "model_state_dict", "model", "net", "params")
WRAPPERS = ("module.", "_orig_mod.")
"""What data parallelism and compilation write before every name."""

_LEVELS = 8


_OLD_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}


def renamed_attention(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of a diffusers network, whose attention was named otherwise in files of before 2023, by the names of today."""

    def today(name: str) -> str:
        head, _, kind = name.rpartition(".")
        before, _, last = head.rpartition(".")
        return f"{before}.{_OLD_ATTENTION[last]}.{kind}" if ".attentions." in name and last in _OLD_ATTENTION else name

    return {today(name): value for name, value in tensors.items()}


class Layout:
    """Files whose names are the network's own, maybe inside a checkpoint's tables or behind a wrapper's prefix.

    Args of a derived class:
        keys: where in a checkpoint the tensors are; the first that is there is taken.
    """

    keys: tuple[str, ...] = (*AVERAGED, *PLAIN)

    def tensors(self, stored: Stored, network: torch.nn.Module, part: str) -> Mapping[str, Tensor]:
        """Tensors by the names of the part (`""`: the network) that the file is for; more or fewer than it needs are
        reported by the caller. Names that mean nothing to the network may be left out here.

        Raises: UserError when there are no tensors.
        """
        return unwrapped(stored, self.keys)

    def describe(self, stored: Stored) -> tuple[Config, DataSpec] | None:
        """Settings and data of the network, where the file says them and they are of this family; None elsewhere.

        Raises: UserError for a file of this family that the plugin's network cannot compute.
        """
        return None


def unwrapped(stored: Stored, keys: Iterable[str] = (*AVERAGED, *PLAIN)) -> dict[str, Tensor]:
    """The tensors of a checkpoint: inside its tables by the first of `keys` that is there, prefixes of wrappers removed.

    Raises: UserError when there are none, naming what the file has.
    """
    table: Mapping[str, object] = stored.content
    for _ in range(_LEVELS):
        inner = next((one for key in keys if isinstance(one := table.get(key), Mapping) and one), None)
        if inner is None:
            break
        table = {str(name): value for name, value in inner.items()}
    found = {name: value for name, value in table.items() if isinstance(value, Tensor)}
    if not found:
        raise UserError(
            f"{stored.path}: no tensors by name, neither at its top nor under {', '.join(keys)}; "
            f"it has {', '.join(sorted(table)[:8]) or 'nothing'}"
        )
    for prefix in WRAPPERS:
        if all(name.startswith(prefix) for name in found):
            found = {name.removeprefix(prefix): value for name, value in found.items()}
    return found
