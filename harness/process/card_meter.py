"""Energy and memory of a card, as NVIDIA's management library tells them (nvidia-ml-py). Without it there is nothing to tell."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from importlib import import_module
from typing import Protocol, cast

SAMPLE_SECONDS = 1.0
"""Seconds between two looks at the card."""
JOULES_PER_WH = 3600.0


class Nvml(Protocol):
    """The functions of the module `pynvml` that are used. They raise its NVMLError."""

    def nvmlInit(self) -> None: ...

    def nvmlShutdown(self) -> None: ...

    def nvmlDeviceGetHandleByUUID(self, uuid: str, /) -> object: ...

    def nvmlDeviceGetMemoryInfo(self, handle: object, /) -> Memory: ...

    def nvmlDeviceGetPowerUsage(self, handle: object, /) -> int: ...

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: object, /) -> int: ...


class Memory(Protocol):
    """Memory of a card in bytes."""

    used: int


class CardMeter:
    """Energy and peak memory of one card from `start` to `stop`, over all processes that use the card.

    Energy is the difference of the card's own counter where it has one (since Volta), else the sum of its power, once a second.

    Args:
        library: the module `pynvml`, or what stands in for it.
        uuid: the card's, as torch and NVML name it: `GPU-…`.
    """

    def __init__(self, library: Nvml, uuid: str) -> None:
        self._library = library
        library.nvmlInit()
        self._card = library.nvmlDeviceGetHandleByUUID(uuid)
        self._peak = 0
        self._joules = 0.0
        self._counter = self._read_counter()
        self._seen = time.monotonic()
        self._is_over = threading.Event()
        self._look()
        self._thread = threading.Thread(target=self._watch, name="card meter", daemon=True)
        self._thread.start()

    def _read_counter(self) -> int | None:
        """Return the card's counter of energy in millijoules since the driver was loaded; None where it has none."""
        try:
            return int(self._library.nvmlDeviceGetTotalEnergyConsumption(self._card))
        except Exception:  # an NVMLError of the library: not supported
            return None

    def _watch(self) -> None:
        while not self._is_over.wait(SAMPLE_SECONDS):
            self._look()

    def _look(self) -> None:
        """Note memory, and, without a counter, the energy since the last look."""
        try:
            self._peak = max(self._peak, int(self._library.nvmlDeviceGetMemoryInfo(self._card).used))
            if self._counter is None:
                now = time.monotonic()
                self._joules += int(self._library.nvmlDeviceGetPowerUsage(self._card)) / 1e3 * (now - self._seen)
                self._seen = now
        except Exception:  # an NVMLError: a card that cannot be asked now may be asked in a second
            return

    def stop(self) -> tuple[float | None, int | None]:
        """End the measurement. Returns: energy in Wh and peak memory in bytes; None for what the card does not tell."""
        self._is_over.set()
        self._thread.join(2 * SAMPLE_SECONDS)
        self._look()
        if self._counter is not None:
            now = self._read_counter()
            self._joules = 0.0 if now is None else (now - self._counter) / 1e3
        with suppress(Exception):  # an NVMLError, of no consequence
            self._library.nvmlShutdown()
        return self._joules / JOULES_PER_WH if self._joules > 0 else None, self._peak or None


def start(device: str) -> CardMeter | None:
    """Begin to measure the card that this process uses.

    Args:
        device: type of the device: "cpu" or "cuda".
    Returns: None on a CPU, and where nvidia-ml-py is absent or knows no such card.
    """
    if device != "cuda":
        return None
    try:
        library = import_module("pynvml")
        return CardMeter(cast(Nvml, library), _uuid())
    except Exception:  # the package is absent, or the driver, or the card is no card of NVIDIA
        return None


def _uuid() -> str:
    import torch

    uuid = str(torch.cuda.get_device_properties(torch.cuda.current_device()).uuid)
    return uuid if uuid.startswith(("GPU-", "MIG-")) else f"GPU-{uuid}"
