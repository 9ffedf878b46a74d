"""Point sets from scikit-learn's generators, the same in every process."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cached_property

import numpy as np
import torch
from sklearn.datasets import make_moons, make_swiss_roll

from harness.interfaces import Batch, DataSource, DataSpec
from harness_toy_data import MoonsConfig, PointsConfig

Generate = Callable[[int, int, float], np.ndarray]
"""(n, seed, noise) -> (n, 2), float64."""

FIRST_EVALUATION_SEED = 2**31
"""Evaluation draw d has this seed plus d, and training seeds are below it (scikit-learn takes seeds below 2**32): no training set
can be an evaluation set, and evaluation sets are the same whatever `train_seed` is."""


class Points(DataSource):
    """A distribution of points in the plane, from which any number of sets can be drawn.

    Args:
        config: sizes, seed and noise.
        generate: draws n points from a seed.
    """

    def __init__(self, config: PointsConfig, generate: Generate) -> None:
        self.config = config
        self.spec = DataSpec((2,), classes=0, preview="points")
        self._generate = generate

    def train(self) -> Batch:
        """Return all training points, (train_size, 2), float32."""
        return Batch(self._points(self.config.train_size, self.config.train_seed))

    def evaluation(self, draw: int, n: int) -> Batch:
        """Return the points of evaluation set number `draw`, (n, 2), float32.

        Raises: ValueError unless 0 <= draw < 2**31 and n >= 2.
        """
        if not 0 <= draw < FIRST_EVALUATION_SEED or n < 2:
            raise ValueError(f"need 0 <= draw < 2**31 and n >= 2, got {draw=}, {n=}")
        return Batch(self._points(n, FIRST_EVALUATION_SEED + draw))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the training points' bytes, hexadecimal. Evaluation sets, without end, are drawn by the same code."""
        return hashlib.sha256(self.train().x.numpy().tobytes()).hexdigest()

    def _points(self, n: int, seed: int) -> torch.Tensor:
        return torch.from_numpy(self._generate(n, seed, self.config.noise).astype(np.float32))


def swiss_roll(config: PointsConfig) -> Points:
    """Make the swiss roll seen along its axis: a spiral of radius up to 14.1 / 20, with deviations of about 0.33."""
    return Points(config, _roll)


def two_moons(config: MoonsConfig) -> Points:
    """Make the two moons: half circles of radius 1 / 2, with deviations of about 0.43 and 0.25 in the two coordinates.

    scikit-learn's moons are stratified: only their noise is random. Two such sets are nearer to each other than to any set of
    independent draws, so that no model reaches the distance between two of them. Independent draws have the same distribution.
    """
    return Points(config, _moons if config.sampling == "stratified" else _independent_moons)


def _roll(n: int, seed: int, noise: float) -> np.ndarray:
    points, _ = make_swiss_roll(n, noise=noise, random_state=seed)
    return points[:, [0, 2]] / 20


def _moons(n: int, seed: int, noise: float) -> np.ndarray:
    points, _ = make_moons(n, noise=noise, random_state=seed)
    return points / 2


def _independent_moons(n: int, seed: int, noise: float) -> np.ndarray:
    # RandomState is frozen by NumPy's promise: no later version of it draws other numbers.
    random = np.random.RandomState(seed)
    is_inner, angle = random.randint(2, size=n).astype(bool), np.pi * random.uniform(size=n)
    x = np.where(is_inner, 1 - np.cos(angle), np.cos(angle))
    y = np.where(is_inner, 0.5 - np.sin(angle), np.sin(angle))
    return (np.stack([x, y], axis=1) + noise * random.standard_normal((n, 2))) / 2
