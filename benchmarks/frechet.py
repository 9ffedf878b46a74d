"""Fréchet distance at 2048 features: ours beside clean-fid's arithmetic (SciPy's square root of a matrix), in one run.

Prints seconds of this process's CPU, and the ratios. `python benchmarks/frechet.py [--features 2048]`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import scipy.linalg
import torch

from harness.features import Moments
from harness_image_metrics.frechet import frechet_distance


def moments(n: int, features: int, seed: int) -> Moments:
    """Of n correlated rows with a falling spectrum; singular for n <= features."""
    mixing = np.random.default_rng(99).standard_normal((features, features)) / np.sqrt(features)
    rows = np.random.default_rng(seed).standard_normal((n, features)) * np.linspace(1, 0.02, features)
    return Moments.of(rows @ mixing)


def by_square_root(first: Moments, second: Moments) -> float:
    """As clean-fid 0.1.35 computes it; it passes an argument to SciPy's function that newer SciPy refuses."""
    root = scipy.linalg.sqrtm(first.covariance @ second.covariance)
    apart = first.mean - second.mean
    return float(apart @ apart + np.trace(first.covariance) + np.trace(second.covariance) - 2 * np.trace(root).real)


def timed(distance: Callable[[Moments, Moments], float], pair: tuple[Moments, Moments]) -> tuple[float, float]:
    """Value and seconds of CPU."""
    started = time.process_time()
    return distance(*pair), time.process_time() - started


def main() -> None:
    """Positive definite covariances, then singular ones."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=int, default=2048)
    features = parser.parse_args().features
    torch.set_num_threads(1)
    for name, n in (("positive definite", 3 * features), ("singular", features // 2)):
        pair = moments(n, features, 1), moments(n, features, 2)
        theirs, slow = timed(by_square_root, pair)
        ours, fast = timed(frechet_distance, pair)
        print(
            f"{name}, {n} images of {features} features: {fast:.2f} s, square root {slow:.2f} s, "
            f"{slow / fast:.1f} times faster; {ours:.9g}, {theirs:.9g}",
            flush=True,
        )


if __name__ == "__main__":
    main()
