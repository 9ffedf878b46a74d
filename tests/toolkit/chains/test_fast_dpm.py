"""FastDPM's short chains: levels that match, real-valued times, and tables against DDIM's and DDPM's formulas."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from scipy.special import gammaln

from harness.toolkit.chains import fast_dpm
from harness.toolkit.chains.fast_dpm import LAST_STD, FastSchedule, fast_schedule, matching_betas, matching_times

START, END, T = 1e-4, 0.02, 1000
LONG = np.linspace(START, END, T)
ALPHA_BARS = np.cumprod(1 - LONG)


@pytest.mark.parametrize(("kind", "steps"), [("linear", 10), ("linear", 50), ("quadratic", 50), ("quadratic", 100)])
def test_a_short_chain_leaves_as_much_signal_as_the_long_one(kind, steps):
    betas = matching_betas(START, END, T, steps, kind)
    assert betas[0] == START
    assert (np.diff(betas) > 0).all()
    product = np.prod(1 - betas)
    assert ALPHA_BARS[-1] <= product <= (1 + 1e-4) * ALPHA_BARS[-1] * (1 + 1e-12)  # the band of the bisection


def test_the_two_kinds_grow_evenly_and_evenly_in_the_square_root():
    assert np.diff(matching_betas(START, END, T, 10, "linear"), 2) == pytest.approx(0, abs=1e-12)
    assert np.diff(np.sqrt(matching_betas(START, END, T, 50, "quadratic")), 2) == pytest.approx(0, abs=1e-12)


def test_a_chain_too_short_for_all_the_noise_ends_at_its_largest_step():
    betas = matching_betas(START, END, T, 10, "quadratic")
    assert betas[-1] == pytest.approx(START * (1 + 9 * 0.95 / (math.sqrt(START) * 10)) ** 2)
    assert np.prod(1 - betas) > 2 * ALPHA_BARS[-1]


def test_a_share_of_signal_may_be_asked_for():
    assert np.prod(1 - matching_betas(START, 0.0, 1, 20, "linear", target=0.25)) == pytest.approx(0.25, rel=1e-4)


def test_an_unknown_kind_names_the_known_ones():
    with pytest.raises(ValueError, match="no sampling schedule is called 'cubic'; there are linear, quadratic"):
        matching_betas(START, END, T, 10, "cubic")


def exact_log(t):
    """ln alpha_bar at a real-valued step, by SciPy's gamma function."""
    slope = (END - START) / (T - 1)
    top = (1 - START) / slope
    return (t + 1) * math.log(slope) + float(gammaln(top + 1) - gammaln(top - t))


def test_the_continuous_product_goes_through_the_products_of_whole_steps():
    # Logarithms of gamma functions near 5e5 leave 1e-9 of their difference.
    np.testing.assert_allclose(
        [exact_log(t) for t in (0, 10, 500, 999)], np.log(ALPHA_BARS[[0, 10, 500, 999]]), atol=1e-9, rtol=0
    )
    log_alpha_bar, between = fast_dpm._continuous_log(START, END, T), (0.5, 10.25, 998.9)
    np.testing.assert_allclose([log_alpha_bar(t) for t in between], [exact_log(t) for t in between], atol=1e-9, rtol=0)


@pytest.mark.parametrize("kind", ["linear", "quadratic"])
def test_the_network_is_called_at_the_times_with_the_noise_of_each_step(kind):
    schedule = fast_schedule(START, END, T, 50, kind)
    wanted = np.log(schedule.alpha_bars[::-1].astype(np.float64))
    expected = [brentq(lambda t, level=level: exact_log(t) - level, -0.5, T) for level in wanted]
    np.testing.assert_allclose(schedule.times, expected, atol=1e-3)  # levels are float32 numbers, as published
    assert (np.diff(schedule.times) < 0).all()


def test_levels_of_whole_steps_have_whole_times():
    """A short chain made of every tenth level of the long one."""
    levels = ALPHA_BARS[9::10]
    betas = 1 - levels / np.concatenate([[1.0], levels[:-1]])
    times = matching_times(START, END, T, betas)
    np.testing.assert_allclose(times, np.arange(9, T, 10)[::-1], atol=5e-3)


def test_what_is_noisier_than_the_long_chain_is_its_last_step():
    assert matching_times(START, END, T, np.array([0.5, 0.99999]))[0] == T - 1


def schedule_of(alpha_bars):
    levels = np.array(alpha_bars)
    return FastSchedule(1 - levels / np.concatenate([[1.0], levels[:-1]]), np.arange(len(levels))[::-1].astype(float))


def test_without_noise_a_step_keeps_signal_and_noise_of_a_state_as_ddim_does():
    """Of x = sqrt(a) x0 + sqrt(1 - a) eps a step makes sqrt(b) x0 + sqrt(1 - b) eps."""
    tables = schedule_of([0.9, 0.5, 0.1]).coefficients(1e-9)
    x0, eps = 0.7, -1.3
    for step, (a, b) in enumerate([(0.1, 0.5), (0.5, 0.9), (0.9, 1.0)]):
        x = math.sqrt(a) * x0 + math.sqrt(1 - a) * eps
        found = tables["x_mult"][step] * x + tables["eps_mult"][step] * eps
        assert found.item() == pytest.approx(math.sqrt(b) * x0 + math.sqrt(1 - b) * eps, abs=1e-5)


def test_with_all_its_noise_a_step_is_ddpms_posterior():
    """Mean and variance of q(x_b | x_a, x0), with a / b the share of signal that one step of the chain leaves."""
    tables = schedule_of([0.9, 0.5, 0.1]).coefficients(1.0)
    x0, eps = 0.7, -1.3
    for step, (a, b) in enumerate([(0.1, 0.5), (0.5, 0.9)]):
        x, kept = math.sqrt(a) * x0 + math.sqrt(1 - a) * eps, a / b
        mean = math.sqrt(b) * (1 - kept) / (1 - a) * x0 + math.sqrt(kept) * (1 - b) / (1 - a) * x
        assert (tables["x_mult"][step] * x + tables["eps_mult"][step] * eps).item() == pytest.approx(mean, abs=1e-5)
        assert tables["std"][step].item() == pytest.approx(math.sqrt((1 - kept) * (1 - b) / (1 - a)), rel=1e-5)


@pytest.mark.parametrize("kappa", [0.1, 1.0])
def test_the_variance_of_a_state_stays_that_of_its_level(kappa):
    """Of data of unit variance and an exact network, each state has unit variance: signal, noise and new noise add up."""
    tables = {name: table.double() for name, table in fast_schedule(START, END, T, 20, "linear").coefficients(kappa).items()}
    levels = fast_schedule(START, END, T, 20, "linear").alpha_bars.astype(np.float64)[::-1]
    after = [*levels[1:], 1.0]
    for step, (a, b) in enumerate(zip(levels[:-1], after, strict=False)):
        signal = tables["x_mult"][step] * math.sqrt(a)
        noise = tables["x_mult"][step] * math.sqrt(1 - a) + tables["eps_mult"][step]
        assert signal.item() == pytest.approx(math.sqrt(b), rel=1e-5)
        assert (noise**2 + tables["std"][step] ** 2).item() == pytest.approx(1 - b, rel=1e-3, abs=1e-6)


def test_tables_are_float32_and_the_last_step_has_a_little_noise():
    tables = fast_schedule(START, END, T, 10, "quadratic").coefficients(1.0)
    assert tables.keys() == {"x_mult", "eps_mult", "std", "time"}
    assert all(table.shape == (10,) and table.dtype == torch.float32 for table in tables.values())
    assert tables["std"][-1].item() == pytest.approx(LAST_STD)
