"""Exact Wasserstein-2 distance by optimal assignment."""

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

# Measured with POT 0.9.7: 4.0 GB at 10,000 points. Costs, plan and the simplex's arcs.
DENSE_BYTES_A_PAIR = 40

# POT's default of 100,000 is too few at 10,000 points. The network simplex always ends; this only bounds a bug.
ITERATIONS = 1_000_000_000


class ExactW2:
    """sqrt(min over permutations of the mean squared distance), in units of the data."""

    def __init__(self, config: ExactConfig) -> None:
        self.config = config

    def __call__(self, generated: Batch, real: Batch, generator: torch.Generator) -> Mapping[str, float]:
        """{"w2": distance}. Errors: as `point_sets`; RuntimeError when the solver does not reach the optimum."""
        x, y = point_sets(generated, real)
        return {"w2": wasserstein_2(x, y, chosen(self.config.solver, len(x), psutil.virtual_memory().available))}


def build(config: ExactConfig) -> ExactW2:
    """The metric with its settings."""
    return ExactW2(config)


def chosen(solver: str, n: int, free_bytes: int) -> str:
    """`dense` or `lazy` for n points when that much memory is free."""
    if solver != "auto":
        return solver
    # A third, since other cells may ask at the same moment and see the same free memory.
    return "dense" if DENSE_BYTES_A_PAIR * n * n <= free_bytes / 3 else "lazy"


def wasserstein_2(x: np.ndarray, y: np.ndarray, solver: str) -> float:
    """The distance between two sets (n, d), float64, as it is computed from the optimal assignment.

    The solvers add up the same cost in different orders, which changes the last digits of the sums they return. So the
    sum is made here from the assignment, in the rows' order, and rounded to 12 significant digits, far below what n
    samples can resolve and far above rounding errors: which solver had the memory to run never changes a bit of a
    record.
    """
    partner = assignment(x, y, solver)
    squared = float(((x - y[partner]) ** 2).sum(axis=1).mean())
    return float(f"{np.sqrt(squared):.12g}")


def assignment(x: np.ndarray, y: np.ndarray, solver: str, *, iterations: int = ITERATIONS) -> np.ndarray:
    """The row of y that each row of x goes to, (n,), at the least total squared distance.

    Raises: RuntimeError when `iterations` of the network simplex do not reach the optimum.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # POT warns of an early end, which is an error below
        if solver == "dense":
            cost = ot.dist(x, y, metric="sqeuclidean")
            weights = np.full(len(x), 1 / len(x))
            plan, log = ot.emd(weights, weights, cost, numItermax=iterations, log=True)
        else:
            _, log = ot.lp.emd2_lazy(x, y, metric="sqeuclidean", numItermax=iterations, log=True, return_matrix=True)
            plan = log["G"].tocsr()
    if log["warning"] is not None:
        raise RuntimeError(f"the {solver} optimal transport solver stopped before the optimum: {log['warning']}")
    # With equal weights an optimal plan that is a vertex, which the simplex returns, is a permutation.
    partner = np.asarray(plan.argmax(axis=1)).ravel()
    assert len(np.unique(partner)) == len(x), "the plan is not a permutation"
    return partner
