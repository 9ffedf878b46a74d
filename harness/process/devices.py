"""The device that a user names with --device: check that this machine has it, and make torch deterministic on it."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from harness.errors import UserError

if TYPE_CHECKING:
    import torch


def check(name: str) -> None:
    """Raises: UserError when PyTorch finds no device of this name on this machine. The message begins with --device."""
    known = re.fullmatch("auto|cpu|cuda(:(?P<index>[0-9]+))?", name)
    if known is None:
        raise UserError(f"--device {name}: there are auto, cpu, cuda and cuda:N")
    if name.startswith("cuda"):
        import torch

        if int(known["index"] or 0) >= torch.cuda.device_count():
            raise UserError(f"--device {name}: PyTorch sees {torch.cuda.device_count()} CUDA devices here; see `harness doctor`")


def use(name: str) -> torch.device:
    """Return the device and make torch deterministic there. "auto" is CUDA where there is a CUDA device, else the CPU."""
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda"):
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # deterministic cuBLAS needs a workspace of fixed size
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
    return torch.device(name)
