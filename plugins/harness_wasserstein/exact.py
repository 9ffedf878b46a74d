"""The exact Wasserstein-2 distance by optimal assignment.

Between two sets of n points each, with equal weights, some optimal plan is a permutation (Birkhoff's theorem), so that

    W2² = min over permutations π of 1/n sum over i of |x_i - y_π(i)|².
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np
import ot
import psutil
import torch

from harness.interfaces import Batch
from harness_wasserstein import ExactConfig
from harness_wasserstein.inputs import point_sets

DENSE_BYTES_A_PAIR = 40
"""Memory of the dense solver for each pair of points: costs, plan and the simplex's arcs. Measured with POT 0.9.7."""
ITERATIONS = 1_000_000_000
"""Largest number of steps of the network simplex, which always ends; POT's default of 100,000 is too few at 10,000 points."""


class ExactW2:
    """The square root of the mean squared distance between optimal partners, in units of the data."""

    def __init__(self, config: ExactConfig) -> None:
        self.config = config

    def __call__(self, generated: Batch, real: Batch, generator: torch.Generator) -> Mapping[str, float]:
        """Return {"w2": distance}.

        Raises: what `point_sets` raises; RuntimeError when the solver does not reach the optimum.
        """
        x, y = point_sets(generated, real)
        return {"w2": wasserstein_2(x, y, solver_for(self.config.solver, len(x), psutil.virtual_memory().available))}


def build(config: ExactConfig) -> ExactW2:
    """Make the metric with its settings."""
    return ExactW2(config)


def solver_for(solver: str, n: int, free_bytes: int) -> str:
    """Return the solver for n points, `dense` or `lazy`, given the setting and the free memory."""
    if solver != "auto":
        return solver
    # A third, since other cells may ask at the same moment and see the same free memory.
    return "dense" if DENSE_BYTES_A_PAIR * n * n <= free_bytes / 3 else "lazy"


def wasserstein_2(x: np.ndarray, y: np.ndarray, solver: str) -> float:
    """Return the distance between two sets (n, d), float64, computed from the optimal assignment.

    The solvers add up the same cost in different orders, which changes the last digits of the sums that they return. So this
    function adds up the assignment's distances in the rows' order, and rounds to 12 significant digits: far finer than n samples
    can resolve, and far coarser than rounding errors. Then a record does not depend on which solver had the memory to run.
    """
    partner = assignment(x, y, solver)
    squared = float(((x - y[partner]) ** 2).sum(axis=1).mean())
    return float(f"{np.sqrt(squared):.12g}")


def assignment(x: np.ndarray, y: np.ndarray, solver: str, *, iterations: int = ITERATIONS) -> np.ndarray:
    """Return the row of y that is the partner of each row of x, (n,), at the least total squared distance.

    Raises: RuntimeError when `iterations` of the network simplex do not reach the optimum.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # POT warns of an early end, which raises below
        if solver == "dense":
            cost = ot.dist(x, y, metric="sqeuclidean")
            weights = np.full(len(x), 1 / len(x))
            plan, log = ot.emd(weights, weights, cost, numItermax=iterations, log=True)
        else:
            _, log = ot.lp.emd2_lazy(x, y, metric="sqeuclidean", numItermax=iterations, log=True, return_matrix=True)
            plan = log["G"].tocsr()
    if log["warning"] is not None:
        raise RuntimeError(f"the {solver} optimal transport solver stopped before the optimum: {log['warning']}")
    # The simplex returns a vertex of the polytope of plans, and with equal weights its vertices are the permutations.
    partner = np.asarray(plan.argmax(axis=1)).ravel()
    assert len(np.unique(partner)) == len(x), "the plan is not a permutation"
    return partner
