"""Networks in NVIDIA's pickles: the records that NVIDIA's persistence code writes, and the state dicts of the modules in them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from harness.weights.pickles.opcodes import RefusedPickle

if TYPE_CHECKING:
    from torch import Tensor

DEEPEST = 64
"""The largest number of nested levels of modules."""


@dataclass
class Persistent:
    """An object that NVIDIA's persistence code saved: the name of its class, and its attributes. Its source code is not kept."""

    class_name: str
    state: dict[str, object]

    def __setstate__(self, state: object) -> NoReturn:
        raise RefusedPickle("a persistence record has its state inside")

    @property
    def arguments(self) -> dict[str, object]:
        """The keyword arguments that the object was constructed with. Raises: RefusedPickle when some have no name."""
        if self.state.get("_init_args"):
            raise RefusedPickle(f"{self.class_name} was constructed with arguments without names")
        arguments = self.state.get("_init_kwargs", {})
        if not isinstance(arguments, dict):
            raise RefusedPickle(f"{self.class_name} has no table of constructor arguments")
        return dict(arguments)


class Container:
    """Stands in for the containers of `torch.nn`: it holds the attributes only."""

    def __init__(self) -> None:
        self.state: dict[str, object] = {}

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, dict):
            raise RefusedPickle("a module's state is no table")
        self.state = state


def rebuild_persistent(meta: object) -> Persistent:
    """Stand in for `torch_utils.persistence._reconstruct_persistent_obj`, which would run the source inside `meta`."""
    if not isinstance(meta, dict) or meta.get("type") != "class":
        raise RefusedPickle("a persistence record is no class")
    name, state = meta.get("class_name"), meta.get("state")
    if not isinstance(name, str) or not isinstance(state, dict):
        raise RefusedPickle("a persistence record has no class name or no state")
    return Persistent(name, state)


def network(content: object, key: str = "ema") -> Persistent:
    """Return the network in a pickle's content: the entry `key` of a dictionary, or else the content itself.

    Raises: RefusedPickle when this is no network.
    """
    value = content.get(key) if isinstance(content, dict) else content
    if not isinstance(value, Persistent):
        raise RefusedPickle(f"no network is stored under {key!r}")
    return value


def state_dict(module: Persistent | Container) -> dict[str, Tensor]:
    """Return all parameters and persistent buffers by their full names, in the order of their modules.

    Raises: RefusedPickle when a table of a module is damaged, or modules lie more than DEEPEST levels deep.
    """
    return dict(_tensors(module, "", 0))


def _tensors(module: Persistent | Container, prefix: str, depth: int) -> Iterable[tuple[str, Tensor]]:
    import torch

    if depth > DEEPEST:
        raise RefusedPickle(f"modules are nested more than {DEEPEST} levels deep")
    transient = module.state.get("_non_persistent_buffers_set", set())
    for table in ("_parameters", "_buffers", "_modules"):
        entries = module.state.get(table, {})
        if not isinstance(entries, dict):
            raise RefusedPickle(f"{prefix}{table} is no table")
        for name, value in entries.items():
            if isinstance(value, Persistent | Container) and table == "_modules":
                yield from _tensors(value, f"{prefix}{name}.", depth + 1)
            elif isinstance(value, torch.Tensor) and table != "_modules":
                if not (table == "_buffers" and isinstance(transient, set) and name in transient):
                    yield f"{prefix}{name}", value
            elif value is not None:
                raise RefusedPickle(f"{prefix}{table} has {name!r}, which is {type(value).__name__}")
