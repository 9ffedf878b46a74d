"""Numbers of a dataset's evaluation draws: who uses which. Evaluation, floor and selection share none."""

from __future__ import annotations

_A_SEED = 1_000
_FLOOR = 1_000_000_000
_SELECTION = 2_000_000_000


def evaluation(seed: int, draw: int) -> int:
    """For evaluation draw `draw` of the cells with this seed: the same real data for all methods. draw < 1000."""
    return seed * _A_SEED + draw


def in_place(seed: int, draw: int) -> tuple[int, int]:
    """For evaluation draw `draw` of data in the place of a model: of its examples, and of the real ones. draw < 500.

    They are neighbours 2k + 1 and 2k, so that the two share no example of a finite dataset.
    """
    return evaluation(seed, 2 * draw + 1), evaluation(seed, 2 * draw)


def floor(pair: int) -> tuple[int, int]:
    """The two draws of a pair of the floor."""
    return _FLOOR + 2 * pair, _FLOOR + 2 * pair + 1


def selection(seed: int) -> int:
    """For the curve and the selection of cells with this seed."""
    return _SELECTION + seed
