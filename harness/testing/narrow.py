"""A task whose model hides the capabilities that a method does not declare."""

from __future__ import annotations

import sys
from collections.abc import Callable

from torch import nn

from harness.capabilities import PROTOCOLS
from harness.interfaces import Batch
from harness.targets import protocol_members
from harness.testing.task import InMemoryTask


class Undeclared(Exception):
    """A method reached for a member of a capability that it does not declare."""


def narrowed(task: InMemoryTask, needs: frozenset[str]) -> InMemoryTask:
    """Change a task so that reaching for any capability outside of `needs` raises Undeclared. Returns: the task.

    Copies of the model hide the same members. The sampler sees the whole model, since it has needs of its own.
    """
    visible = {member for name in needs for member in protocol_members(PROTOCOLS[name])}
    hidden = {member for protocol in PROTOCOLS.values() for member in protocol_members(protocol)} - visible
    task.bank = _bank_of_whole_model(task)  # type: ignore[method-assign]
    _hide(task.model, hidden)
    return task


def _hide(model: nn.Module, hidden: set[str]) -> None:
    """Make access to these members from outside of the model an error. Inside, members may build on each other."""
    whole = type(model)

    def guarded(self: nn.Module, name: str) -> object:
        if name in hidden and not _is_called_from(self):
            raise Undeclared(name)
        return whole.__getattribute__(self, name)

    model.__class__ = type(whole.__name__, (whole,), {"__getattribute__": guarded})


def _is_called_from(model: nn.Module) -> bool:
    """Return whether the code that reads the attribute is a method of the model itself."""
    return sys._getframe(2).f_locals.get("self") is model


def _bank_of_whole_model(task: InMemoryTask) -> Callable[..., Batch]:
    """Return the task's `bank`, for which the model hides nothing."""

    def bank(model: nn.Module, n: int, name: str, *, as_tokens: bool = False) -> Batch:
        narrow = model.__class__
        model.__class__ = narrow.__mro__[1]
        try:
            return InMemoryTask.bank(task, model, n, name, as_tokens=as_tokens)
        finally:
            model.__class__ = narrow

    return bank
