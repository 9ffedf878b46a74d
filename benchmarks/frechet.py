"""Fréchet distance at 2048 features on one thread: ours, clean-fid's and torch-fidelity's, which take turns in one process.

The script prints seconds of this process's CPU, ratios of the medians, and how far the values are apart. clean-fid's function
is called as it is, but without the argument `disp` that clean-fid 0.1.35 passes to SciPy's `sqrtm`, since newer SciPy refuses
`disp`.

    OMP_NUM_THREADS=1 python benchmarks/frechet.py [--features 2048] [--rounds 3]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from types import SimpleNamespace

import cleanfid.fid
import numpy as np
import scipy.linalg
import torch
from torch_fidelity.metric_fid import fid_statistics_to_metric

from harness.features import Moments
from harness_image_metrics.frechet import frechet_distance

Distance = Callable[[Moments, Moments], float]
BOUNDS = {"positive definite": 8.0, "rank-deficient, n = D / 2": 3.5, "rank-deficient, n = D - 1": 3.5}


def moments(n: int, features: int, seed: int) -> Moments:
    """Return the moments of n correlated rows with a falling spectrum. The covariance is singular for n <= features."""
    mixing = np.random.default_rng(99).standard_normal((features, features)) / np.sqrt(features)
    rows = np.random.default_rng(seed).standard_normal((n, features)) * np.linspace(1, 0.02, features)
    return Moments.of(rows @ mixing)


def clean_fid(first: Moments, second: Moments) -> float:
    """Call clean-fid's function."""
    cleanfid.fid.linalg = SimpleNamespace(sqrtm=lambda matrix, disp=True: (scipy.linalg.sqrtm(matrix), 0.0))  # noqa: ARG005
    return float(cleanfid.fid.frechet_distance(first.mean, first.covariance, second.mean, second.covariance))


def torch_fidelity(first: Moments, second: Moments) -> float:
    """Call torch-fidelity's function."""
    tables = [{"mu": moments.mean, "sigma": moments.covariance} for moments in (first, second)]
    return float(next(iter(fid_statistics_to_metric(*tables, verbose=False).values())))


OTHERS: Mapping[str, Distance] = {"clean-fid": clean_fid, "torch-fidelity": torch_fidelity}


def timed(distance: Distance, pair: tuple[Moments, Moments]) -> tuple[float, float]:
    """Return the distance, and its seconds of CPU."""
    started = time.process_time()
    return distance(*pair), time.process_time() - started


def compare(pair: tuple[Moments, Moments], rounds: int, bound: float) -> str:
    """Return the lines about one pair of moments."""
    seconds: dict[str, list[float]] = {name: [] for name in ("ours", *OTHERS)}
    values: dict[str, float] = {}
    for _ in range(rounds):
        for name, distance in {"ours": frechet_distance, **OTHERS}.items():
            values[name], taken = timed(distance, pair)
            seconds[name].append(taken)
    ours = statistics.median(seconds["ours"])
    lines = [f"  ours            {ours:6.2f} s   {values['ours']:.10g}"]
    for name in OTHERS:
        theirs = statistics.median(seconds[name])
        apart = abs(values["ours"] / values[name] - 1)
        bound_text = f" (bound: {bound:g})" if name == "clean-fid" else ""
        lines.append(
            f"  {name:<14}  {theirs:6.2f} s   {values[name]:.10g}, {apart:.0e} apart; ratio {theirs / ours:.2f}{bound_text}"
        )
    return "\n".join(lines)


def main() -> None:
    """Compare on positive definite covariances, then on singular covariances."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    features = arguments.features
    torch.set_num_threads(1)
    for (name, bound), n in zip(BOUNDS.items(), (3 * features, features // 2, features - 1), strict=True):
        pair = moments(n, features, 1), moments(n, features, 2)
        print(f"{name}: {n} images of {features} features", flush=True)
        print(compare(pair, arguments.rounds, bound), flush=True)


if __name__ == "__main__":
    main()
