"""Numbers of a dataset's draws: evaluation, floor and selection each have numbers of their own.

A draw's number is all that a dataset needs to make it (`DataSource.evaluation`). Numbers stay below 2**31.

Sets of two numbers share no example where a dataset makes new examples for each draw. A dataset of a fixed number of examples
promises less: draws 2k and 2k + 1 share none, and all other pairs may, since they choose from the same held-out examples. Only
examples that it keeps for the curve (`SelectionSource`) are in no draw of evaluation or floor.
"""

from __future__ import annotations

_DRAWS_OF_A_SEED = 1_000
_FIRST_OF_FLOORS = 1_000_000_000
_FIRST_OF_SELECTION = 2_000_000_000


def evaluation(seed: int, draw: int) -> int:
    """Return the number of evaluation draw `draw` < 1000 of all cells with this seed: the same real data for every method.

    Draws 0 and 1 of a seed, 2 and 3, … are the pairs 2k and 2k + 1.
    """
    return seed * _DRAWS_OF_A_SEED + draw


def examples_for_samples(seed: int, draw: int) -> tuple[int, int]:
    """Return two numbers for evaluation draw `draw` < 500 of a base of examples: of its examples, and of the real data.

    They are neighbours 2k + 1 and 2k, so that the two sets share no example of a finite dataset.
    """
    return evaluation(seed, 2 * draw + 1), evaluation(seed, 2 * draw)


def floor(pair: int) -> tuple[int, int]:
    """Return the numbers of the two draws of a floor's pair, 2k and 2k + 1: they share no example."""
    return _FIRST_OF_FLOORS + 2 * pair, _FIRST_OF_FLOORS + 2 * pair + 1


def selection(seed: int) -> int:
    """Return the number of the draw that the curve and the selection of cells with this seed compare with."""
    return _FIRST_OF_SELECTION + seed
