"""Memory format, precision and compilation of a network in training steps.

Sampling has a precision of its own, also inside of a step: banks, new samples (`Task.sample`), and what is evaluated.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from harness.training.config import TrainingConfig


def prepare_network(model: torch.nn.Module, training: TrainingConfig) -> None:
    """Change a network in place to the memory format and the compilation that the settings ask for.

    Names and values of the weights stay as they are.
    """
    if training.channels_last:
        model.to(memory_format=torch.channels_last)
    if training.compile:
        model.compile()


def autocast(device: torch.device, training: TrainingConfig) -> AbstractContextManager[object]:
    """Return a context for one training step: bfloat16 where the settings ask for bf16, and no change otherwise."""
    if training.precision == "float32":
        return nullcontext()
    from accelerate import Accelerator

    return Accelerator(cpu=device.type == "cpu", mixed_precision="bf16").autocast()


def in_float32(device: torch.device) -> torch.autocast:
    """Return a context that turns autocast off inside a training step.

    Methods use it where a result is a small difference of large numbers.
    """
    return torch.autocast(device.type, enabled=False)
