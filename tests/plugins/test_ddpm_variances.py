"""Samplers of diffusion chains: steps and coefficients, and what is known of them on a Gaussian mixture."""

import numpy as np
import pytest
import torch

from harness.interfaces import Batch, DataSpec
from harness.streams import SampleStreams, stream
from harness.testing.mixture import MixtureChain, four_points
from harness.toolkit.chains.fast_dpm import fast_schedule
from harness_ddpm import AnalyticConfig, DDIMConfig, FastDPMConfig, HeadConfig, SubsampledConfig
from harness_ddpm.step_table import chosen_steps, posterior_std, whole_step_table
from harness_ddpm.variances import Analytic, Residual, SquaredNoise
from harness_ddpm.walks import DDIM, FastDPM, Subsampled

POINTS = DataSpec((2,))
BETAS = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)


@pytest.fixture(scope="module")
def chain():
    return MixtureChain(four_points(), BETAS)


def draw(sampler, chain, n=8):
    return sampler(chain, POINTS, SampleStreams(0, "sample", range(n)), None)


def test_steps_are_even_or_dense_near_the_data():
    assert chosen_steps(1000, 5, "linear").tolist() == [999, 749, 499, 249, 0]
    assert chosen_steps(1000, 5, "quadratic").tolist() == [800, 450, 200, 50, 0]
    assert chosen_steps(10, 10, "linear").tolist() == list(range(9, -1, -1))
    assert chosen_steps(10, 1, "linear").tolist() == [9]
    assert chosen_steps(10, 20, "linear").tolist() == list(range(9, -1, -1))
    assert len(set(chosen_steps(10, 10, "quadratic").tolist())) == len(chosen_steps(10, 10, "quadratic"))


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


def test_var_with_as_many_linear_steps_is_the_full_chain_up_to_its_bisection():
    full, table = whole_step_table(BETAS, None, "linear", 1.0), FastDPM(FastDPMConfig(steps=1000, schedule="linear")).table(BETAS)
    # The published bisection stops when the last alpha_bar agrees within 1e-4 of itself.
    np.testing.assert_allclose(table.alpha_bars, full.alpha_bars, rtol=3e-4)
    np.testing.assert_allclose(table.times, full.times, rtol=0, atol=0.1)
    np.testing.assert_allclose(table.std[1:-1], full.std[1:-1], rtol=1e-3)


@pytest.mark.parametrize("schedule", ["linear", "quadratic"])
@pytest.mark.parametrize("kappa", [0.0, 0.5, 1.0])
def test_var_has_the_coefficients_that_are_compared_with_the_published_ones(schedule, kappa):
    table = FastDPM(FastDPMConfig(steps=20, schedule=schedule, kappa=kappa)).table(BETAS)
    known = fast_schedule(1e-4, 0.02, 1000, 20, schedule).coefficients(kappa)
    for name, own in (("x_mult", table.x_mult), ("eps_mult", table.eps_mult), ("time", table.times)):
        np.testing.assert_allclose(own, known[name].numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(table.std[:-1], known["std"][:-1].numpy(), rtol=1e-5, atol=1e-7)
    assert table.std[-1] == 0


def test_var_finds_its_times_on_chains_that_are_not_linear():
    betas = torch.linspace(1e-2, 0.14, 1000, dtype=torch.float64) ** 2
    table = FastDPM(FastDPMConfig(steps=20)).table(betas)
    at_times = np.interp(table.times, np.arange(1000), whole_step_table(betas, None, "linear", 1.0).alpha_bars[::-1])
    np.testing.assert_allclose(table.alpha_bars, at_times, rtol=1e-2, atol=1e-4)


def test_ddim_is_the_formula_of_its_paper():
    table = DDIM(DDIMConfig(steps=10, eta=0.3)).table(BETAS)
    a, b = table.alpha_bars[3], table.alpha_bars[4]
    std = 0.3 * np.sqrt((1 - b) / (1 - a)) * np.sqrt(1 - a / b)
    x, eps = 0.7, -0.2
    clean = (x - np.sqrt(1 - a) * eps) / np.sqrt(a)
    expected = np.sqrt(b) * clean + np.sqrt(1 - b - std**2) * eps
    assert table.x_mult[3] * x + table.eps_mult[3] * eps == pytest.approx(expected, abs=1e-12)
    assert table.std[3] == pytest.approx(std)


def test_ddim_without_noise_converges_at_first_order_at_least(chain):
    exact = draw(DDIM(DDIMConfig(steps=250)), chain).double()
    errors = [float((draw(DDIM(DDIMConfig(steps=n)), chain).double() - exact).square().mean().sqrt()) for n in (20, 40)]
    assert errors[0] / errors[1] > 1.8


def test_the_large_variance_is_that_of_the_forward_step():
    small, large = (Subsampled(SubsampledConfig(steps=10, variance=one)).table(BETAS) for one in ("posterior", "beta"))
    assert large.std[4] ** 2 == pytest.approx(1 - large.alpha_bars[4] / large.alpha_bars[5])
    np.testing.assert_array_equal(large.eps_mult, small.eps_mult)
    np.testing.assert_allclose(small.std, posterior_std(small.alpha_bars))


@pytest.mark.parametrize("eta", [0.0, 1.0])
@torch.no_grad()
def test_analytic_dpms_variance_is_the_mean_posterior_variance(chain, eta):
    sampler = Analytic(AnalyticConfig(steps=10, eta=eta, examples=4000))
    data, _ = chain.mixture.sample(4000, stream(0, "data"))
    sampler.use(sampler.prepare(chain, POINTS, Batch(data.float()), stream(1, "prepare")))
    known = whole_step_table(BETAS, 10, "linear", eta)
    table = sampler.table(known)
    for step in (2, 5, 7):
        signal, noise = chain.levels(known.times[step])
        noisy = signal * data + noise * torch.randn(data.shape, generator=stream(2, "noise"), dtype=torch.float64)
        unknown = float(chain.mixture.posterior(noisy, signal, noise).variance.mean() * signal**2 / noise**2)
        expected = known.std_given_data[step] ** 2 + known.eps_mult[step] ** 2 * unknown
        # Monte Carlo: the mean square of 8,000 numbers is known to about 2 %, on both sides.
        assert table.std[step] ** 2 == pytest.approx(expected, rel=0, abs=0.05 * known.eps_mult[step] ** 2)


@torch.no_grad()
def test_at_few_steps_the_best_variance_beats_the_posteriors(chain):
    data, _ = chain.mixture.sample(2000, stream(0, "data"))
    best = Analytic(AnalyticConfig(steps=8, examples=2000))
    best.use(best.prepare(chain, POINTS, Batch(data.float()), stream(1, "prepare")))
    gaps = []
    for sampler in (best, Subsampled(SubsampledConfig(steps=8))):
        x = draw(sampler, chain, 2000).double()
        gaps.append(float((x.square().mean(0) - data.square().mean(0)).abs().max()))
    assert gaps[0] < gaps[1]


@pytest.mark.parametrize("kind", [SquaredNoise, Residual])
def test_a_trained_head_knows_the_posterior_variance(chain, kind):
    sampler = kind(HeadConfig(steps=8, training_steps=200, batch=128, lr=5e-3))
    data, _ = chain.mixture.sample(3000, stream(0, "data"))
    sampler.use(sampler.prepare(chain, POINTS, Batch(data.float()), stream(1, "prepare")))
    head = sampler.head(POINTS, torch.device("cpu"))
    with torch.no_grad():
        for time in (100, 400):
            signal, noise = chain.levels(float(time))
            noisy = signal * data + noise * torch.randn(data.shape, generator=stream(2, "noise"), dtype=torch.float64)
            eps = chain.predict_noise(noisy, time, None)
            known = chain.mixture.posterior(noisy, signal, noise).variance * signal**2 / noise**2
            own = sampler.unknown(head(noisy.float(), eps.float(), torch.tensor(time / 999)), eps.float())
            assert float(own.mean()) == pytest.approx(float(known.mean()), abs=0.1)
    assert draw(sampler, chain).isfinite().all()


def test_own_samples_can_stand_in_for_training_data(chain):
    sampler = Analytic(AnalyticConfig(steps=20, examples=500, source="samples"))
    data = Batch(torch.zeros(10, 2))
    gamma = sampler.prepare(chain, POINTS, data, stream(0, "prepare"))["gamma"]
    from_zeros = Analytic(AnalyticConfig(steps=20, examples=500)).prepare(chain, POINTS, data, stream(0, "prepare"))["gamma"]
    assert float((gamma - from_zeros).abs().max()) > 0.05
