"""Noise schedules against their closed forms, and the chain's tables against Gaussian arithmetic."""

import math

import numpy as np
import pytest
import torch

from harness.toolkit.chains import ChainConfig
from harness.toolkit.chains.schedules import betas, coefficients

KINDS = ("sigmoid", "linear", "quadratic", "cosine")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("steps", [1, 2, 10, 1000])
def test_betas_grow_within_zero_and_one(kind, steps):
    found = betas(kind, steps, 1e-4, 2e-2)
    assert found.shape == (steps,)
    assert found.dtype == torch.float64
    assert ((found > 0) & (found < 1)).all()
    assert (found.diff() > 0).all()


def closed_form(kind, t, steps, start, end):
    """The beta of step t, one number at a time."""
    r = t / (steps - 1)
    if kind == "linear":
        return start + r * (end - start)
    if kind == "quadratic":
        return (math.sqrt(start) + r * (math.sqrt(end) - math.sqrt(start))) ** 2
    return start + (end - start) / (1 + math.exp(6 - 12 * r))


@pytest.mark.parametrize("kind", ["linear", "quadratic", "sigmoid"])
def test_betas_are_those_of_the_closed_form(kind):
    expected = [closed_form(kind, t, 10, 1e-4, 2e-2) for t in range(10)]
    assert betas(kind, 10, 1e-4, 2e-2).tolist() == pytest.approx(expected, rel=1e-12)


def test_the_cosine_schedules_signal_is_a_squared_cosine_until_the_cap():
    steps, offset = 1000, 0.008
    found = betas("cosine", steps, 0.5, 0.6)  # start and end are ignored
    signal = np.cumprod(1 - found.numpy())
    times = np.arange(1, steps + 1) / steps
    whole = [math.cos((t + offset) / (1 + offset) * math.pi / 2) ** 2 for t in [0.0, *times]]
    np.testing.assert_allclose(signal[:-1], np.array(whole[1:-1]) / whole[0], rtol=1e-9)
    assert found[-1] == 0.999  # where the signal itself is gone


def test_an_unknown_schedule_names_the_known_ones():
    with pytest.raises(ValueError, match="no schedule is called 'cubic'; there are sigmoid, linear, quadratic, cosine"):
        betas("cubic", 10, 1e-4, 2e-2)


@pytest.mark.parametrize("schedule", KINDS)
@pytest.mark.parametrize("variance", ["beta", "posterior"])
def test_tables_are_float32_and_noise_is_never_zero(schedule, variance):
    tables = coefficients(ChainConfig(steps=20, schedule=schedule, variance=variance))
    assert tables.keys() == {"betas", "signal", "noise", "x_gain", "eps_gain", "stds"}
    assert all(table.shape == (20,) and table.dtype == torch.float32 for table in tables.values())
    assert all((table > 0).all() for table in tables.values())


def test_signal_and_noise_are_those_of_walking_the_chain_forward():
    """Variances and means of x_t = sqrt(1 - beta_t) x_(t-1) + sqrt(beta_t) noise, step by step."""
    config = ChainConfig(steps=50, schedule="linear", beta_start=1e-3, beta_end=0.2)
    tables = coefficients(config)
    mean, variance = 1.0, 0.0
    for t, beta in enumerate(tables["betas"].double().tolist()):
        mean, variance = math.sqrt(1 - beta) * mean, (1 - beta) * variance + beta
        assert tables["signal"][t].item() == pytest.approx(mean, rel=1e-5)
        assert tables["noise"][t].item() == pytest.approx(math.sqrt(variance), rel=1e-5)


@pytest.mark.parametrize("t", [1, 7, 19])
def test_a_reverse_step_given_the_true_noise_is_the_posterior_of_bayes(t):
    """q(x_(t-1) | x_t, x_0) by multiplying the two normal densities that it is made of (Ho et al. 2020, Eqs. 6 and 7)."""
    config = ChainConfig(steps=20, schedule="linear", beta_start=1e-3, beta_end=0.2, variance="posterior")
    tables = {name: table.double() for name, table in coefficients(config).items()}
    x0, eps = 0.7, -1.3
    x_t = tables["signal"][t] * x0 + tables["noise"][t] * eps
    beta = tables["betas"][t]
    # x_(t-1) ~ N(signal x0, noise^2) before x_t is seen, and x_t ~ N(sqrt(1 - beta) x_(t-1), beta).
    precision = 1 / tables["noise"][t - 1] ** 2 + (1 - beta) / beta
    mean = (tables["signal"][t - 1] * x0 / tables["noise"][t - 1] ** 2 + (1 - beta).sqrt() * x_t / beta) / precision
    found = tables["x_gain"][t] * x_t - tables["eps_gain"][t] * eps
    assert found.item() == pytest.approx(mean.item(), rel=1e-4)
    assert tables["stds"][t].item() == pytest.approx((1 / precision).sqrt().item(), rel=1e-4)


def test_the_last_step_lands_on_the_data_where_the_noise_is_known_but_for_its_substitute_of_noise():
    tables = coefficients(ChainConfig(steps=20, schedule="linear", variance="posterior"))
    x0, eps = 0.7, -1.3
    x_1 = tables["signal"][0] * x0 + tables["noise"][0] * eps
    assert (tables["x_gain"][0] * x_1 - tables["eps_gain"][0] * eps).item() == pytest.approx(x0, rel=1e-5)
    assert tables["stds"][0] == tables["betas"][0].sqrt()


def test_beta_is_the_larger_variance():
    """beta_t is the variance for data of unit variance, the posterior's that for one known example."""
    large, small = (coefficients(ChainConfig(steps=20, variance=variance))["stds"] for variance in ("beta", "posterior"))
    assert (large[1:] > small[1:]).all()
    assert large[0] == small[0]
