"""Describe where a record was made: versions, threads, device, commit."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from pathlib import Path

import harness
from harness.process import deterministic, tf32

_INSTALLED = frozenset({"site-packages", "dist-packages"})


def is_installed_copy(path: Path) -> bool:
    """Return whether pip copied a file or folder here, as opposed to an editable install or a checkout."""
    return not _INSTALLED.isdisjoint(path.parts)


def cores() -> int:
    """Return the number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def commit() -> str:
    """Return the commit of the harness's checkout, with `+` when tracked files were changed; "" outside of a checkout."""
    return commit_of(Path(__file__).parent)


@cache
def commit_of(path: Path) -> str:
    """Return the commit of the git checkout that a file or folder lies in, like `commit`.

    Code that pip copied into site-packages has none: an environment may lie inside of some other project's checkout.
    """
    if is_installed_copy(path):
        return ""
    for folder in (path, *path.resolve().parents):
        if (folder / ".git").exists():
            return _commit_of_checkout(folder)
    return ""


@cache
def _commit_of_checkout(folder: Path) -> str:
    command = ["git", "-C", str(folder), "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def _card() -> dict[str, object]:
    """Return the facts about a card that a record carries beside the card's name."""
    import torch

    return {
        "cuda": torch.version.cuda or "",
        "tf32": "on" if tf32.is_on() else "off",
        "deterministic": "on" if deterministic.is_on() else "off",
    }


def _vector_instructions() -> str:
    """Return the vector instructions that PyTorch's kernels use on this processor: `AVX2`, `AVX512`, `DEFAULT`, …

    Sums of other instructions round otherwise, so that the same training ends at other weights.
    """
    import torch

    return str(torch.backends.cpu.get_cpu_capability())


def describe(device: str, devices: int = 1) -> dict[str, object]:
    """Return the facts about this process that a record carries. Imports torch.

    Args:
        device: type of the device that did the work: "cpu" or "cuda".
        devices: how many did it side by side; records of one device do not say so.
    """
    import numpy
    import torch

    of_device = _card() if device == "cuda" else {"vector_instructions": _vector_instructions()}
    return {
        "harness_version": harness.__version__,
        "commit": commit(),
        "python": platform.python_version(),
        "torch": torch.__version__.split("+")[0],
        "numpy": numpy.__version__,
        "platform": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count() or 0,
        "cpu_threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if device == "cuda" else device,
        **of_device,
        **({"devices": devices} if devices > 1 else {}),
    }
