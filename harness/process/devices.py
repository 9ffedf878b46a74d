"""The device that a user names with --device: check that this machine has it, and make torch deterministic and exact on it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UserError
from harness.process import deterministic, tf32
from harness.process.environment import cores

if TYPE_CHECKING:
    import torch

DEVICE_FILES = ("/dev/nvidia0", "/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
"""Files of the drivers of cards (NVIDIA, AMD, WSL). Without any of them there is no card, and torch need not be asked."""
_slot = 0


def check(name: str) -> None:
    """Raises: UserError when PyTorch finds no device of this name on this machine. The message begins with --device."""
    check_name(name)
    if name.startswith("cuda"):
        import torch

        if int(name.partition(":")[2] or 0) >= torch.cuda.device_count():
            raise UserError(f"--device {name}: PyTorch sees {torch.cuda.device_count()} CUDA devices here; see `harness doctor`")


def check_name(name: str) -> None:
    """Raises: UserError when no machine has a device of this name."""
    if re.fullmatch("auto|cpu|cuda(:[0-9]+)?", name) is None:
        raise UserError(f"--device {name}: there are auto, cpu, cuda and cuda:N")


def slots(name: str) -> int:
    """Return how many jobs run at once on a device where the user says nothing.

    On the CPU: one for each core. On CUDA: one for each card, and one where the name has the number of a card.
    """
    cards = 0 if name == "cpu" else _cards()
    if cards == 0:
        return cores()
    return 1 if ":" in name else cards


def _cards() -> int:
    if not any(Path(file).exists() for file in DEVICE_FILES):
        return 0  # torch takes seconds to import
    import torch

    return torch.cuda.device_count()


def finish(device: torch.device) -> None:
    """Wait until a device has done what it was given. A card works beside the process, whose clock would else run ahead."""
    if device.type == "cuda":
        import torch

        torch.cuda.synchronize(device)


def take_slot(number: int) -> None:
    """Say which of the workers of this machine this process is, from 0; several cards are shared out by that number."""
    global _slot
    _slot = number


def use(name: str, *, is_deterministic: bool = True) -> torch.device:
    """Return the device. On a card, torch computes without TF32. "auto" is CUDA where there is a CUDA device, else the CPU.

    Of several cards, "auto" and "cuda" take the one of this process's slot. The card becomes torch's current one.

    Args:
        is_deterministic: whether a card uses deterministic kernels alone. The CPU's are deterministic anyway.
    """
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda":
        name = f"cuda:{_slot % torch.cuda.device_count()}"
    device = torch.device(name)
    if device.type == "cuda":
        deterministic.switch(is_deterministic)
        tf32.switch_off()
        torch.cuda.set_device(device)  # memory, name and generator of "the" device are those of this card
    return device
