"""Measurement of the peak memory of a piece of work."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

from harness.process import memory


class PeakMemory:
    """Peak memory since this object was made, in bytes. On CUDA: of PyTorch's allocator. Else: of the process's resident set.

    Where /proc is absent, outside of Linux, the peak is that of the process since its start.

    Args:
        device: type of the device: "cpu" or "cuda".
    """

    def __init__(self, device: str) -> None:
        self.device = device
        if device == "cuda":
            import torch

            torch.cuda.reset_peak_memory_stats()
        else:
            memory.release()
            with suppress(OSError):
                Path("/proc/self/clear_refs").write_text("5")  # "5" resets the high-water mark, see proc(5)

    def read(self) -> int:
        """Return the peak so far, in bytes."""
        if self.device == "cuda":
            import torch

            return int(torch.cuda.max_memory_allocated())
        try:
            status = Path("/proc/self/status").read_text()
            return int(status.split("VmHWM:")[1].split()[0]) * 1024
        except (OSError, IndexError, ValueError):
            import resource

            unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, others kibibytes
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
