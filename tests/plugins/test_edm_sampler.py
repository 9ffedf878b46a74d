"""EDM's samplers: noise levels, the steps of each method by hand, their errors on data whose solution is known."""

import math

import pytest
import torch

from harness.interfaces import DataSpec
from harness.streams import SampleStreams, stream
from harness.testing.mixture import MixtureDenoiser, four_points
from harness.toolkit.denoising import NoiseLevels
from harness_edm import EulerConfig, HeunConfig, StochasticConfig
from harness_edm.sampler import Euler, Heun, Stochastic, build, noise_levels

POINTS = DataSpec((2,))


class GaussianDenoiser(torch.nn.Module):
    """The exact denoiser of normal data with mean 0 and standard deviation `std`; keeps the levels that it was asked for."""

    def __init__(self, std=0.5, low=0.002, high=20.0):
        super().__init__()
        self.std, self.sigma_range, self.levels = std, (low, high), []

    def denoise(self, x, sigma, labels):
        self.levels.append(float(sigma))
        return x * self.std**2 / (self.std**2 + sigma**2)

    def solution(self, noise):
        """The end of the ODE dx / d sigma = x sigma / (std^2 + sigma^2), along which x / sqrt(std^2 + sigma^2) stays."""
        high = self.sigma_range[1]
        return high * noise * self.std / math.sqrt(self.std**2 + high**2)


def streams(n):
    return SampleStreams(0, "sample", range(n))


def draw(sampler, model, n=20):
    return sampler(model, POINTS, streams(n), None)


def mixture_denoiser(low=0.002, high=20.0):
    return MixtureDenoiser(four_points(), NoiseLevels(sigma_min=low, sigma_max=high))


# Noise levels.


def test_noise_levels_run_from_high_to_low_and_end_at_zero():
    levels = noise_levels(5, low=0.1, high=10.0, rho=7.0)
    assert levels.dtype == torch.float64
    assert levels.tolist()[0] == pytest.approx(10.0)
    assert levels.tolist()[-2:] == [pytest.approx(0.1), 0.0]
    assert (levels.diff() < 0).all()


def test_rho_one_spaces_the_levels_evenly():
    assert noise_levels(4, low=1.0, high=4.0, rho=1.0).tolist() == pytest.approx([4, 3, 2, 1, 0])


def test_the_roots_of_the_levels_are_spaced_evenly():
    roots = noise_levels(6, low=0.002, high=80.0, rho=7.0)[:-1] ** (1 / 7)
    torch.testing.assert_close(roots.diff(), roots.diff()[:1].expand(5))


def test_a_larger_rho_puts_more_levels_near_the_data():
    below = [int((noise_levels(100, low=0.002, high=80.0, rho=rho)[:-1] < 1).sum()) for rho in (1, 3, 7)]
    assert below == sorted(below)
    assert below[0] < 5 < 30 < below[2]


@pytest.mark.parametrize(("steps", "low", "high"), [(1, 0.1, 1.0), (5, 0.0, 1.0), (5, 2.0, 1.0)])
def test_impossible_noise_levels_are_an_error(steps, low, high):
    with pytest.raises(ValueError, match="need steps >= 2 and 0 < low < high"):
        noise_levels(steps, low=low, high=high, rho=7.0)


# Heun and Euler.


def test_a_step_of_heun_is_the_mean_of_the_slopes_at_both_ends():
    model, x = GaussianDenoiser(), torch.tensor([[1.0, -2.0]], dtype=torch.float64)
    sigma, following = torch.tensor(2.0, dtype=torch.float64), torch.tensor(1.0, dtype=torch.float64)
    slope = x * 2 / (0.25 + 4)  # x sigma / (std^2 + sigma^2)
    euler = x - slope
    expected = x - (slope + euler * 1 / (0.25 + 1)) / 2
    torch.testing.assert_close(Heun.step(model, x, sigma, following, None), expected)
    torch.testing.assert_close(Euler.step(model, x, sigma, following, None), euler)
    assert model.levels == [2.0, 1.0, 2.0]


def test_the_last_step_of_heun_is_eulers_and_lands_on_the_denoised_data():
    model, x = GaussianDenoiser(), torch.tensor([[1.0, -2.0]], dtype=torch.float64)
    low, zero = torch.tensor(0.1, dtype=torch.float64), torch.tensor(0.0, dtype=torch.float64)
    torch.testing.assert_close(Heun.step(model, x, low, zero, None), model.denoise(x, low, None))


@pytest.mark.parametrize(
    ("sampler", "calls"),
    [
        (Heun(HeunConfig(steps=18)), 35),
        (Euler(EulerConfig(steps=12)), 12),
        (Stochastic(StochasticConfig(steps=12)), 23),
    ],
)
def test_the_network_is_called_as_often_as_the_docs_say(sampler, calls):
    model = GaussianDenoiser()
    draw(sampler, model)
    assert len(model.levels) == calls


def test_sampling_begins_at_the_largest_level_and_last_calls_the_smallest():
    model = GaussianDenoiser(low=0.01, high=5.0)
    draw(Heun(HeunConfig(steps=6)), model)
    assert model.levels[0] == pytest.approx(5.0)
    assert model.levels[-1] == pytest.approx(0.01)


def test_heuns_error_falls_fourfold_when_the_steps_double():
    model = GaussianDenoiser(low=1e-6)
    exact = model.solution(streams(20).normal(2).double())
    errors = [float((draw(Heun(HeunConfig(steps=n)), model).double() - exact).abs().max()) for n in (32, 64, 128)]
    # Second order: a factor 4 in the limit; at these steps the next order still shows.
    assert 3.3 < errors[0] / errors[1] < 4.8
    assert 3.5 < errors[1] / errors[2] < 4.5


@pytest.mark.parametrize(("steps", "too_wide"), [(18, 1.0318), (36, 1.0071), (72, 1.0017)])
def test_the_solvers_own_error_widens_gaussian_data_by_a_known_factor(steps, too_wide):
    # Worked out on the scalar recursion: at 18 steps from sigma 20 a perfect denoiser gives samples 3 % too wide.
    model = GaussianDenoiser()
    exact = model.solution(streams(20).normal(2).double())
    torch.testing.assert_close(draw(Heun(HeunConfig(steps=steps)), model).double(), too_wide * exact, rtol=1e-4, atol=0)


def test_samples_are_float32_and_the_arithmetic_between_calls_float64():
    model, noise = GaussianDenoiser(), streams(3).normal(2)
    solved = Heun(HeunConfig(steps=5)).solve(model, noise, None, low=0.002, high=20.0)
    assert solved.dtype == torch.float64
    assert torch.equal(draw(build(HeunConfig(steps=5)), model, n=3), solved.float())


def test_labels_reach_the_network():
    seen = []

    class Labelled(GaussianDenoiser):
        def denoise(self, x, sigma, labels):
            seen.append(labels)
            return super().denoise(x, sigma, labels)

    labels = torch.tensor([0, 1])
    for sampler in (Heun(HeunConfig(steps=2)), Euler(EulerConfig(steps=2)), Stochastic(StochasticConfig(steps=2))):
        sampler(Labelled(), POINTS, streams(2), labels)
    assert len(seen) == 3 + 2 + 3
    assert all(given is labels for given in seen)


# Churn.


def test_without_churn_the_stochastic_sampler_is_heun():
    stochastic = Stochastic(StochasticConfig(steps=10, s_churn=0.0))
    assert torch.equal(draw(stochastic, mixture_denoiser()), draw(Heun(HeunConfig(steps=10)), mixture_denoiser()))


def test_churn_raises_levels_inside_its_range_and_by_41_percent_at_most():
    sampler = Stochastic(StochasticConfig(steps=10, s_churn=2.0, s_min=0.1, s_max=5.0))
    assert [sampler.gamma(sigma) for sigma in (0.05, 0.1, 5.0, 6.0)] == [0, 0.2, 0.2, 0]
    assert Stochastic(StochasticConfig(steps=10, s_churn=100)).gamma(1.0) == pytest.approx(2**0.5 - 1)


def test_a_step_with_churn_is_heuns_from_the_raised_level():
    model, config = GaussianDenoiser(low=1.0, high=4.0), StochasticConfig(steps=2, rho=1.0, s_churn=0.5, s_max=4.0, s_noise=1.1)
    x = draw(Stochastic(config), model, n=5)
    given = streams(5)
    start, fresh = given.normal(2).double(), given.normals(2, 2)
    state = 4.0 * start
    for sigma, following in ((4.0, 1.0), (1.0, 0.0)):
        raised = 1.25 * sigma
        state = state + 1.1 * math.sqrt(raised**2 - sigma**2) * next(fresh).double()
        level, next_level = (torch.tensor(value, dtype=torch.float64) for value in (raised, following))
        state = Heun.step(GaussianDenoiser(), state, level, next_level, None)
    torch.testing.assert_close(x, state.float())
    assert model.levels == pytest.approx([5.0, 1.0, 1.25])


@torch.no_grad()
def test_churn_keeps_the_distribution():
    model = mixture_denoiser()
    x = draw(Stochastic(StochasticConfig(steps=96, s_churn=20, s_noise=1.0)), model, n=3000)
    real, _ = model.mixture.sample(3000, stream(0, "real"))
    surprise = model.mixture.log_prob(real).mean() - model.mixture.log_prob(x).mean()
    assert abs(float(surprise)) < 0.08  # the standard error is 0.03
    torch.testing.assert_close(x.double().mean(0), real.mean(0), rtol=0, atol=0.05)
