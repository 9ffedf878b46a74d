"""Few-step walks along a chain: known outcomes on normal data, convergence, and what each call and draw is for."""

import math

import numpy as np
import pytest
import torch
from long_chains import BETAS, POINTS, SPREAD, chain_to_normal_data, chain_to_points, draw

from harness.streams import SampleStreams, stream
from harness_ddpm import DDIMConfig, FastDPMConfig, SubsampledConfig
from harness_ddpm.step_table import posterior_std, var_table, whole_step_table
from harness_ddpm.walks import DDIM, FastDPM, Subsampled, walk

SAMPLERS = {
    "ddpm": Subsampled(SubsampledConfig(steps=8)),
    "ddpm, large variance": Subsampled(SubsampledConfig(steps=8, variance="beta")),
    "ddim": DDIM(DDIMConfig(steps=8, spacing="quadratic")),
    "fastdpm, VAR": FastDPM(FastDPMConfig(steps=8)),
    "fastdpm, STEP": FastDPM(FastDPMConfig(steps=8, approximation="STEP")),
}
EACH = pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=list(SAMPLERS))


@pytest.fixture(scope="module")
def chain():
    return chain_to_points()


@pytest.fixture(scope="module")
def normal():
    return chain_to_normal_data()


def gains(table, chain):
    """The factor of each step for a state of normal data, where E[eps | x] = sqrt(1 - a) / (a s^2 + 1 - a) x."""
    levels = [chain.levels(time) for time in table.times]
    slopes = np.array([float(noise / (signal**2 * SPREAD**2 + noise**2)) for signal, noise in levels])
    return table.x_mult + table.eps_mult * slopes


@EACH
@torch.no_grad()
def test_normal_data_end_as_the_recursion_by_hand_says(sampler, normal):
    table, streams = sampler.table(BETAS), SampleStreams(0, "sample", range(8))
    state = streams.normal(2)
    fresh = streams.normals(int((table.std > 0).sum()), 2)
    for gain, std in zip(gains(table, normal), table.std, strict=True):
        state = float(gain) * state + (float(std) * next(fresh) if std > 0 else 0)
    torch.testing.assert_close(draw(sampler, normal), state, rtol=1e-4, atol=1e-5)


def spread_at_the_end(table, chain):
    variance = 1.0
    for gain, std in zip(gains(table, chain), table.std, strict=True):
        variance = gain**2 * variance + std**2
    return math.sqrt(variance)


def test_the_spread_of_normal_data_comes_right_as_the_steps_grow(normal):
    for make in (lambda n: whole_step_table(BETAS, n, "linear", 0.0), lambda n: whole_step_table(BETAS, n, "linear", 1.0)):
        errors = [abs(spread_at_the_end(make(steps), normal) - SPREAD) for steps in (10, 100, 1000)]
        assert errors == sorted(errors, reverse=True)
        assert errors[-1] < 0.01 * SPREAD


def test_at_few_steps_ancestral_noise_loses_spread_and_ddims_mean_loses_less(normal):
    few = [spread_at_the_end(whole_step_table(BETAS, 10, "linear", eta), normal) for eta in (1.0, 0.0)]
    assert few[0] < few[1] < SPREAD


@EACH
def test_the_network_is_called_once_a_step_from_noise_to_data(sampler, chain):
    times = []

    class Recording(torch.nn.Module):
        chain_betas = BETAS

        def predict_noise(self, x, time, labels):
            times.append(time)
            return chain.predict_noise(x, time, labels)

    draw(sampler, Recording())
    assert times == sampler.table(BETAS).times.tolist()
    assert len(times) == 8


def test_labels_reach_the_network():
    seen = []

    class Labelled(torch.nn.Module):
        chain_betas = BETAS

        def predict_noise(self, x, time, labels):
            seen.append(labels)
            return torch.zeros_like(x)

    labels = torch.tensor([0, 1])
    SAMPLERS["ddim"](Labelled(), POINTS, SampleStreams(0, "sample", range(2)), labels)
    assert all(given is labels for given in seen)
    assert len(seen) == 8


def test_without_noise_nothing_is_drawn_after_the_start(chain):
    table = whole_step_table(BETAS, 5, "linear", 0.0)
    x = walk(chain, table, POINTS, SampleStreams(0, "sample", range(3)), None)
    start = SampleStreams(0, "sample", range(3)).normal(2)
    for time, x_mult, eps_mult in zip(table.times, table.x_mult, table.eps_mult, strict=True):
        start = float(x_mult) * start + float(eps_mult) * chain.predict_noise(start, float(time), None)
    torch.testing.assert_close(x, start)


@pytest.mark.parametrize("sampler", [
    FastDPM(FastDPMConfig(steps=1000, approximation="STEP", schedule="linear")),
    Subsampled(SubsampledConfig(steps=None)),
    DDIM(DDIMConfig(steps=None, eta=1.0)),
])  # fmt: skip
def test_with_all_steps_it_is_the_full_chain(sampler, chain):
    table = sampler.table(BETAS)
    x = torch.randn(5, 2, generator=stream(0, "x"), dtype=torch.float64)
    for step in (0, 500, 998):
        mean, std = chain.transition(x, step)
        own = table.x_mult[step] * x + table.eps_mult[step] * chain.predict_noise(x, 999 - step, None)
        torch.testing.assert_close(own, mean, rtol=1e-9, atol=1e-9)
        assert table.std[step] == pytest.approx(float(std), rel=1e-9)


def test_ddim_without_noise_converges_at_first_order_at_least(chain):
    exact = draw(DDIM(DDIMConfig(steps=250)), chain).double()
    errors = [float((draw(DDIM(DDIMConfig(steps=n)), chain).double() - exact).square().mean().sqrt()) for n in (20, 40)]
    assert errors[0] / errors[1] > 1.8


def test_the_large_variance_is_that_of_the_forward_step():
    small, large = (SAMPLERS[name].table(BETAS) for name in ("ddpm", "ddpm, large variance"))
    assert large.std[4] ** 2 == pytest.approx(1 - large.alpha_bars[4] / large.alpha_bars[5])
    assert large.std[-1] == 0
    np.testing.assert_array_equal(large.eps_mult, small.eps_mult)
    np.testing.assert_allclose(small.std, posterior_std(small.alpha_bars))
    assert (large.std[:-1] > small.std[:-1]).all()


def test_fastdpm_takes_the_approximation_that_it_is_told():
    var, step = SAMPLERS["fastdpm, VAR"].table(BETAS), SAMPLERS["fastdpm, STEP"].table(BETAS)
    np.testing.assert_array_equal(var.times, var_table(BETAS, 8, "quadratic", 1.0).times)
    np.testing.assert_array_equal(step.times, whole_step_table(BETAS, 8, "quadratic", 1.0).times)
    assert (step.times == np.floor(step.times)).all()
    assert not (var.times == np.floor(var.times)).all()
