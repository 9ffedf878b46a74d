"""Energy and memory of a card, as NVIDIA's management library tells them (nvidia-ml-py). Without it there is nothing to tell."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import NamedTuple, Protocol, cast

SAMPLE_SECONDS = 1.0
"""Seconds between two looks at the card."""
NOTE_SECONDS = 10.0
"""Seconds between two notes of the usage so far: what a killed process loses of it at most."""
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


class Usage(NamedTuple):
    """Energy in Wh and peak memory in bytes; None for what is not known."""

    energy_wh: float | None
    memory_bytes: int | None

    def plus(self, later: Usage) -> Usage:
        """Return the usage of both together; what one of the two does not know is not known of both."""
        is_known = self.energy_wh is not None and later.energy_wh is not None
        energy = (self.energy_wh or 0.0) + (later.energy_wh or 0.0) if is_known else None
        has_peak = self.memory_bytes is not None and later.memory_bytes is not None
        return Usage(energy, max(self.memory_bytes or 0, later.memory_bytes or 0) if has_peak else None)


class CardMeter:
    """Energy and peak memory of one card from `start` to `stop`, over all processes that use the card.

    Energy is the difference of the card's own counter where it has one (since Volta), else the sum of its power, once a second.

    Args:
        library: the module `pynvml`, or what stands in for it.
        uuid: the card's, as torch and NVML name it: `GPU-…`.
        note: called with the usage so far, in a thread, every NOTE_SECONDS: a process that is killed stops no meter.
    """

    def __init__(self, library: Nvml, uuid: str, note: Callable[[Usage], None] = lambda _: None) -> None:
        self._library, self._note, self._noted = library, note, time.monotonic()
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
            if time.monotonic() - self._noted >= NOTE_SECONDS:
                self._noted = time.monotonic()
                with suppress(Exception):  # a note that cannot be written costs the record its energy, and no cell
                    self._note(self._usage())

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

    def _usage(self) -> Usage:
        """Return the usage so far."""
        joules = self._joules
        if self._counter is not None:
            now = self._read_counter()
            joules = 0.0 if now is None else (now - self._counter) / 1e3
        return Usage(joules / JOULES_PER_WH if joules > 0 else None, self._peak or None)

    def stop(self) -> Usage:
        """End the measurement. Returns: the usage; None for what the card does not tell."""
        self._is_over.set()
        self._thread.join(2 * SAMPLE_SECONDS)
        self._look()
        usage = self._usage()
        with suppress(Exception):  # an NVMLError, of no consequence
            self._library.nvmlShutdown()
        return usage


def start(device: str, note: Callable[[Usage], None] = lambda _: None) -> CardMeter | None:
    """Begin to measure the card that this process uses.

    Args:
        device: type of the device: "cpu" or "cuda".
        note: see `CardMeter`.
    Returns: None on a CPU, and where nvidia-ml-py is absent or knows no such card.
    """
    if device != "cuda":
        return None
    try:
        library = import_module("pynvml")
        return CardMeter(cast(Nvml, library), _uuid(), note)
    except Exception:  # the package is absent, or the driver, or the card is no card of NVIDIA
        return None


def _uuid() -> str:
    import torch

    uuid = str(torch.cuda.get_device_properties(torch.cuda.current_device()).uuid)
    return uuid if uuid.startswith(("GPU-", "MIG-")) else f"GPU-{uuid}"
