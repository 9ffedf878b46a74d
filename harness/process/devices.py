"""The device that a user names with --device: check that this machine has it, and make torch deterministic and exact on it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from harness.errors import UserError
from harness.process import deterministic, tf32
from harness.process.environment import cores

if TYPE_CHECKING:
    import torch

DEVICE_FILES = ("/dev/nvidia0", "/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
"""Files of the drivers of cards (NVIDIA, AMD, WSL). Without any of them there is no card, and torch need not be asked."""
_slot = 0
_rank, _size = 0, 1


def check(name: str, devices: int = 1) -> None:
    """Check that PyTorch finds a device of this name on this machine, and so many for each job.

    Raises: UserError, whose message begins with --device or --devices.
    """
    check_name(name)
    if name.startswith("cuda"):
        import torch

        if int(name.partition(":")[2] or 0) >= torch.cuda.device_count():
            raise UserError(f"--device {name}: PyTorch sees {torch.cuda.device_count()} CUDA devices here; see `harness doctor`")
    if devices > 1:
        _check_several(name, devices)


def check_name(name: str) -> None:
    """Raises: UserError when no machine has a device of this name."""
    if re.fullmatch("auto|cpu|cuda(:[0-9]+)?", name) is None:
        raise UserError(f"--device {name}: there are auto, cpu, cuda and cuda:N")


def _check_several(name: str, devices: int) -> None:
    """Check that a job can use several devices. Raises: UserError where the name is one card's, or there are too few cards."""
    if ":" in name:
        raise UserError(f"--devices {devices}: --device {name} is one card; name `--device cuda`")
    cards = 0 if name == "cpu" else _cards()
    if cards and devices > cards:
        raise UserError(f"--devices {devices}: PyTorch sees {cards} CUDA devices here; see `harness doctor`")


def slots(name: str, devices: int = 1) -> int:
    """Return how many jobs run at once on a device where the user says nothing.

    On the CPU: one for each core. On CUDA: one for each card, and one where the name has the number of a card. Jobs that use
    several devices each are as many fewer.
    """
    cards = 0 if name == "cpu" else _cards()
    if cards == 0:
        return max(1, cores() // devices)
    return 1 if ":" in name else max(1, cards // devices)


def _cards() -> int:
    if not any(Path(file).exists() for file in DEVICE_FILES):
        return 0  # torch takes seconds to import
    import torch

    return torch.cuda.device_count()


class CardHere(NamedTuple):
    """A card of this machine, as its driver names it."""

    name: str
    memory_bytes: int


def card_here(name: str) -> CardHere | None:
    """Return the first card that a device of this name stands for; None where there is none."""
    if name == "cpu" or _cards() == 0:
        return None
    import torch

    facts = torch.cuda.get_device_properties(int(name.partition(":")[2] or 0))
    return CardHere(facts.name, facts.total_memory)


def finish(device: torch.device) -> None:
    """Wait until a device has done what it was given. A card works beside the process, whose clock would else run ahead."""
    if device.type == "cuda":
        import torch

        torch.cuda.synchronize(device)


def take_slot(number: int) -> None:
    """Say which of the workers of this machine this process is, from 0; several cards are shared out by that number."""
    global _slot
    _slot = number


def slot() -> int:
    """Return the number of this process among the workers of this machine."""
    return _slot


def share_cards(rank: int, size: int) -> None:
    """Say that this process is number `rank` of the `size` processes of its job, each of which takes a card of its own."""
    global _rank, _size
    _rank, _size = rank, size


def use(name: str, *, is_deterministic: bool = True) -> torch.device:
    """Return the device. On a card, torch computes without TF32. "auto" is CUDA where there is a CUDA device, else the CPU.

    Of several cards, "auto" and "cuda" take the one of this process's slot; where jobs use several devices each, the slot's
    cards follow each other. The card becomes torch's current one.

    Args:
        is_deterministic: whether a card uses deterministic kernels alone. The CPU's are deterministic anyway.
    """
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda":
        name = f"cuda:{(_slot * _size + _rank) % torch.cuda.device_count()}"
    device = torch.device(name)
    if device.type == "cuda":
        deterministic.switch(is_deterministic)
        tf32.switch_off()
        torch.cuda.set_device(device)  # memory, name and generator of "the" device are those of this card
    return device
