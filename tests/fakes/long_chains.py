"""A chain of 1,000 steps whose best network is known, and a sampler's draw from it: for tests of DDPM's walks."""

import torch

from harness.interfaces import DataSpec
from harness.streams import SampleStreams
from harness.testing.mixture import GaussianMixture, MixtureChain, four_points

POINTS = DataSpec((2,))
BETAS = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
SPREAD = 0.5


def chain_to_points():
    """Return a chain whose data are four points."""
    return MixtureChain(four_points(), BETAS)


def chain_to_normal_data():
    """Return a chain whose data are normal with standard deviation SPREAD."""
    return MixtureChain(GaussianMixture(torch.zeros(1, 2), torch.tensor([SPREAD])), BETAS)


def draw(sampler, chain, n=8):
    """Return n samples of the chain."""
    return sampler(chain, POINTS, SampleStreams(0, "sample", range(n)), None)
