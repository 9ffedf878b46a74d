"""The published files of weights that are absent, and about how large they are, by the sizes of networks. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.board.bases import Base
from harness.presets import WeightsFile
from harness.weights import cache


@dataclass(frozen=True)
class Downloads:
    """Absent files of weights.

    Args:
        files: their number.
        least, most: bytes of all of them: files of a known size have it; others hold a network's numbers in 16 or in 32 bits.
    """

    files: int = 0
    least: int = 0
    most: int = 0


def downloads(bases: Sequence[Base], weight_bytes: Callable[[Base], int | None]) -> Downloads:
    """Return the published files of these bases that are absent; bases share files by name.

    Args:
        weight_bytes: returns the bytes of a base's network in float32; None where it is not known.
    """
    absent: dict[str, tuple[int, int]] = {}
    for base in bases:
        files = [file.published for file in base.origin.files if file.published is not None]
        known = sum(file.size_bytes or 0 for file in files)
        for file in files:
            if file.name not in absent and not cache.path(file).exists():
                absent[file.name] = _sizes(file, len(files), known, weight_bytes(base) or 0)
    return Downloads(len(absent), *(sum(sizes) for sizes in zip((0, 0), *absent.values(), strict=True)))


def _sizes(file: WeightsFile, files: int, known: int, network: int) -> tuple[int, int]:
    """Return the least and the largest size of a file. known: bytes of those of the network's files whose size is known."""
    if file.size_bytes is not None:
        return file.size_bytes, file.size_bytes
    if file.part and files > 1:
        return 0, 0  # the network's own file counts for all whose size is unknown
    rest = max(0, network - known)
    return rest // 2, rest
