"""Cards by name: what their data sheets say, and how much of it trainings have been seen to use. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from harness.errors import UserError, nearest
from harness.process.inference_precision import Precision

UTILISATION: Mapping[Precision, float] = {"fp32": 0.7, "tf32": 0.25, "bf16": 0.25, "fp16": 0.25}
"""The share of a card's peak that estimates count with. docs/gpu.md compares the published throughputs that it was taken from:
0.7 to 1.2 in float32 (a convolution by Winograd's method takes fewer operations than are counted), 0.14 to 0.4 in half precision.
Nobody has published one in TF32; it has that of half precision."""
LAUNCH_SECONDS = 90e-6
"""The time that an operation of torch takes on a card, at least: its process launches kernels one by one, from Python, whatever
their size. Of one machine, with an H200, and a network of 5 million parameters (docs/gpu.md)."""
HERE = "here"
"""The name of the card that this machine has."""
_OTHERS = frozenset({"laptop", "max", "mobile", "nvl", "d", "ti", "super", "ada"})
"""Words that make another card of a name."""


@dataclass(frozen=True)
class Card:
    """A card, by its data sheet.

    Args:
        name: the name by which commands choose it.
        memory_gib: its memory.
        peak: dense operations of products a second, in units of 1e12, by precision: half precisions with sums in float32. A
            precision that is not there runs as float32 does, or not at all.
    """

    name: str
    memory_gib: float
    peak: Mapping[Precision, float]

    def seconds(self, flops: Mapping[Precision, float], launches: float = 0.0) -> float:
        """Return about how long a number of operations takes, by the peak and `UTILISATION`.

        Args:
            launches: operations of torch that they come in: by `LAUNCH_SECONDS` a small network waits for them.
        """
        computing = sum(count / (self._peak(kind) * 1e12 * self.utilisation(kind)) for kind, count in flops.items())
        return max(computing, launches * LAUNCH_SECONDS)

    def _peak(self, kind: Precision) -> float:
        return self.peak.get(kind, self.peak["fp32"])

    def utilisation(self, kind: Precision) -> float:
        """Return the share of the peak that is counted with in a precision."""
        return UTILISATION[kind if kind in self.peak else "fp32"]

    def assumption(self, kind: Precision) -> str:
        """Return what is assumed of a precision: `fp32 at 0.7 of 67 TFLOP/s`."""
        name = kind if kind in self.peak else f"{kind}, which it has not, as fp32"
        return f"{name} at {self.utilisation(kind):g} of {self._peak(kind):g} TFLOP/s"


def _card(name: str, memory_gib: float, fp32: float, tf32: float | None, half: float | None, fp16: float | None = None) -> Card:
    peaks: dict[Precision, float | None] = {"fp32": fp32, "tf32": tf32, "bf16": half, "fp16": half if fp16 is None else fp16}
    return Card(name, memory_gib, {kind: value for kind, value in peaks.items() if value is not None})


CARDS: Mapping[str, Card] = {
    card.name: card
    for card in (
        _card("v100", 32, 15.7, None, None, 125),
        _card("t4", 16, 8.1, None, None, 65),
        _card("rtx-2080-ti", 11, 13.4, None, None, 53.8),
        _card("rtx-3090", 24, 35.6, 35.6, 71),
        _card("a6000", 48, 38.7, 77.4, 154.8),
        _card("a100", 80, 19.5, 156, 312),
        _card("l4", 24, 30.3, 60, 121),
        _card("l40s", 48, 91.6, 183, 362),
        _card("rtx-4090", 24, 82.6, 82.6, 165.2),
        _card("h100-pcie", 80, 51.2, 378, 756),
        _card("h100", 80, 67, 494.7, 989.4),
        _card("h200", 141, 67, 494.7, 989.4),
    )
}
"""Memory is that of the largest common version. Source: NVIDIA's data sheets; figures with sparsity are halved."""


def card(name: str) -> Card:
    """Return a card by its name. Raises: UserError for an unknown one, with those that there are."""
    if (found := CARDS.get(name.lower())) is None:
        known = [*CARDS, HERE]
        raise UserError(f"--card {name}: no card is called {name!r}; {nearest(name, known)}there are {', '.join(known)}")
    return found


def recognised(device_name: str) -> Card | None:
    """Return the card that a driver calls by this name, such as `NVIDIA A100-SXM4-80GB`; None where the table has none."""
    words = re.findall("[a-z]+[0-9]+[a-z]*|[a-z]+|[0-9]+[a-z]*", device_name.lower())
    longest_first = sorted(CARDS, key=lambda name: -len(name.split("-")))
    for name in longest_first:
        parts = name.split("-")
        if all(part in words for part in parts):
            return None if _OTHERS & (set(words) - set(parts)) else CARDS[name]
    return None
