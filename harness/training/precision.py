"""Memory format, precision and compilation of a network in training steps.

Sampling has a precision of its own, also inside of a step: banks, new samples (`Task.sample`), and what is evaluated.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar

import torch

from harness.training.config import TrainingConfig

_is_half_on_meta = ContextVar("is_half_on_meta", default=False)


def prepare_network(model: torch.nn.Module, training: TrainingConfig) -> None:
    """Change a network in place to the memory format and the compilation that the settings ask for.

    Names and values of the weights stay as they are.
    """
    if training.channels_last:
        model.to(memory_format=torch.channels_last)
    if training.compile:
        model.compile()


def autocast(device: torch.device, training: TrainingConfig) -> AbstractContextManager[object]:
    """Return a context for one training step: bfloat16 where the settings ask for bf16, and no change otherwise.

    Each pass rounds the weights anew. Autocast's own cache would keep them until the step ends, so that in a step of several
    updates each pass after the first update would still see the weights from before it.
    """
    if training.precision == "float32":
        return nullcontext()
    if device.type == "meta":
        return _on_meta(is_half=True)
    return torch.autocast(device.type, dtype=torch.bfloat16, cache_enabled=False)


def in_float32(device: torch.device) -> AbstractContextManager[object]:
    """Return a context that turns autocast off inside a training step.

    Methods use it where a result is a small difference of large numbers.
    """
    return _on_meta(is_half=False) if device.type == "meta" else torch.autocast(device.type, enabled=False)


def backward(loss: torch.Tensor) -> None:
    """Differentiate a loss outside of autocast, as torch asks for.

    Operations keep the type of their forward pass. Under autocast, derivatives of what was computed in float32 would be
    rounded too.
    """
    with nullcontext() if loss.device.type == "meta" else in_float32(loss.device):
        loss.backward()


def is_half_on_meta() -> bool:
    """Return whether a step on the meta device, which has no autocast, is where it would run in half precision."""
    return _is_half_on_meta.get()


@contextmanager
def _on_meta(*, is_half: bool) -> Iterator[None]:
    before = _is_half_on_meta.set(is_half)
    try:
        yield
    finally:
        _is_half_on_meta.reset(before)
