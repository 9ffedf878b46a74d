"""Distances between sets of the dataset two-moons: of two evaluation draws, and of a perfect model's samples and a draw.

    OMP_NUM_THREADS=1 python benchmarks/moon_floors.py

A perfect model draws each point on its own. The distance is sliced W2 with 100 directions. Means and standard deviations
over pairs, in units of 1e-2.
"""

from __future__ import annotations

import argparse

import numpy as np
import ot
from torch import Tensor

from harness_toy_data import MoonsConfig
from harness_toy_data.points import two_moons


def distance(x: Tensor, y: Tensor) -> float:
    """Return the sliced Wasserstein-2 distance of two sets of points, (n, 2)."""
    return float(ot.sliced_wasserstein_distance(x.double().numpy(), y.double().numpy(), n_projections=100, p=2, seed=0))


def main() -> None:
    """Print the distances for both samplings of the dataset."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=10_000)
    parser.add_argument("--pairs", type=int, default=20)
    options = parser.parse_args()
    n, pairs = options.points, range(options.pairs)
    configs = [MoonsConfig(sampling="independent", train_size=n, train_seed=seed) for seed in pairs]
    perfect = [two_moons(config).train().x for config in configs]
    for config in (MoonsConfig(sampling="stratified"), MoonsConfig(sampling="independent")):
        source = two_moons(config)
        draws = [source.evaluation(draw, n).x for draw in range(2 * len(pairs))]
        floor = [distance(draws[2 * pair], draws[2 * pair + 1]) for pair in pairs]
        model = [distance(perfect[pair], draws[pair]) for pair in pairs]
        for name, values in (("two draws", floor), ("a perfect model and a draw", model)):
            mean, deviation = 100 * np.mean(values), 100 * np.std(values, ddof=1)
            print(f"{config.sampling}: {name}: {mean:.2f} ± {deviation:.2f}")


if __name__ == "__main__":
    main()
