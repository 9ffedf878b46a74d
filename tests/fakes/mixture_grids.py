"""Quadrature over the plane, and chains of noise levels, for tests on Gaussian mixtures."""

import math

import torch


def grid(low=-3.0, high=3.0, n=401):
    """Points of a square and the area of each."""
    side = torch.linspace(low, high, n, dtype=torch.float64)
    return torch.cartesian_prod(side, side), float(side[1] - side[0]) ** 2


def linear_betas(steps):
    """Steps that hide the data equally well, however many there are."""
    return torch.linspace(1e-4, 0.02, steps, dtype=torch.float64) * (1000 / steps)


def nested_betas(steps, finest=128):
    """A chain whose levels are among those of the finest one; first and last are the same. steps: divides `finest`."""
    log_snr = torch.linspace(math.log(1e4), math.log(1e-4), finest + 1, dtype=torch.float64)[:: finest // steps]
    kept = torch.sigmoid(log_snr)
    return 1 - kept / torch.cat([kept.new_ones(1), kept[:-1]])
