"""Laws of likelihoods and bounds, on Gaussian mixtures whose log density is known exactly."""

import math

import pytest
import torch
from mixture_grids import linear_betas, nested_betas

from harness.streams import stream
from harness.testing.mixture import ChainDraw, MixtureChain, MixtureDenoiser, four_points


def mean_bound(chain, x, pairs=2):
    """The bound, averaged over every step and over pairs of noise and its mirror image."""
    noise = [torch.randn(x.shape, generator=stream(pair, "bound"), dtype=torch.float64) for pair in range(pairs)]
    eps = torch.cat([sign * draw for draw in noise for sign in (1, -1)]).repeat(chain.transitions, 1)
    t = torch.arange(chain.transitions).repeat_interleave(len(eps) // chain.transitions)
    rows = x.repeat(len(eps) // len(x), 1)
    return float(chain.log_likelihood(rows, None, ChainDraw(t, eps)).mean())


@torch.no_grad()
def test_the_bound_is_below_the_log_density_and_rises_as_the_chain_gets_finer():
    mixture = four_points()
    x, _ = mixture.sample(250, stream(0, "data"))
    exact = float(mixture.log_prob(x).mean())
    bounds = [mean_bound(MixtureChain(mixture, nested_betas(steps)), x) for steps in (4, 8, 16, 32, 64, 128)]
    assert bounds == sorted(bounds)
    gaps = [exact - bound for bound in bounds]
    # The gap falls as 1 / T, to what the first step's own noise costs.
    assert 0 < gaps[-1] < 0.1 * gaps[0]
    assert 1.7 < gaps[2] / gaps[3] < 2.8  # 2 in the limit; at 16 steps the next order shows


@torch.no_grad()
@pytest.mark.parametrize("build", [lambda m: m, MixtureDenoiser, lambda m: MixtureChain(m, linear_betas(100))])
def test_the_right_network_has_the_highest_mean_likelihood(build):
    mixture, wrong = four_points(), four_points()
    wrong.means.mul_(1.3)
    right, other = build(mixture), build(wrong)
    x, _ = mixture.sample(4000, stream(0, "data"))
    draw = right.draw(x, stream(1, "draw"))
    ratio = right.log_likelihood(x, None, draw) - other.log_likelihood(x, None, draw)
    assert float(ratio.mean()) > 3 * float(ratio.std()) / math.sqrt(len(x))


@torch.no_grad()
def test_a_fine_chains_mean_ratio_is_the_exact_one_at_least():
    mixture, wrong = four_points(), four_points()
    wrong.means.mul_(1.2)
    x, _ = mixture.sample(500, stream(0, "data"))
    right, other = (MixtureChain(each, nested_betas(128)) for each in (mixture, wrong))
    ratio = mean_bound(right, x) - mean_bound(other, x)
    exact = float((mixture.log_prob(x) - wrong.log_prob(x)).mean())
    # Both are KL divergences from the data: of the end points, and of the whole paths, which is the larger. Up to what
    # the right chain's own bound misses; for two perfect networks and fine steps they are equal.
    assert ratio == pytest.approx(exact, rel=0.15)
    assert exact > 0.1
