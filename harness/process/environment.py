"""Where a record was made: versions, threads, device, commit."""

from __future__ import annotations

import os
import platform
import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path

import harness
from harness.process import memory


@cache
def commit() -> str:
    """Commit of the harness's checkout, with `+` where files differ from it; empty outside of a checkout."""
    folder = Path(__file__).parent
    try:
        run = ["git", "-C", str(folder), "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"]
        return subprocess.run(run, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def describe(device: str) -> dict[str, object]:
    """The facts that a record carries; imports torch."""
    import numpy
    import torch

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
    }


class PeakMemory:
    """Peak resident memory of this process since it was made, in bytes; on CUDA, of the device's allocator."""

    def __init__(self, device: str) -> None:
        self.device = device
        if device == "cuda":
            import torch

            torch.cuda.reset_peak_memory_stats()
        else:
            memory.release()
            with suppress(OSError):  # elsewhere than on Linux the peak is that of the process so far
                Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts anew

    def read(self) -> int:
        """The peak so far."""
        if self.device == "cuda":
            import torch

            return int(torch.cuda.max_memory_allocated())
        try:
            status = Path("/proc/self/status").read_text()
            return int(status.split("VmHWM:")[1].split()[0]) * 1024
        except (OSError, IndexError, ValueError):
            import resource

            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
