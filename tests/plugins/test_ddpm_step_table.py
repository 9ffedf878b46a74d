"""Tables of few-step walks: which steps, their coefficients against the papers' formulas, and what every table must keep."""

import numpy as np
import pytest
import torch

from harness.errors import UserError
from harness.toolkit.chains.fast_dpm import fast_schedule
from harness_ddpm.step_table import (
    StepTable,
    alpha_bars,
    chosen_steps,
    posterior_std,
    var_table,
    whole_step_table,
)

BETAS = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
CURVED = torch.linspace(1e-2, 0.14, 1000, dtype=torch.float64) ** 2

TABLES = {
    "all steps": whole_step_table(BETAS, None, "linear", 1.0),
    "few even steps": whole_step_table(BETAS, 10, "linear", 1.0),
    "few steps near the data": whole_step_table(BETAS, 10, "quadratic", 1.0),
    "some noise": whole_step_table(BETAS, 10, "linear", 0.4),
    "no noise": whole_step_table(BETAS, 10, "linear", 0.0),
    "one step": whole_step_table(BETAS, 1, "linear", 1.0),
    "VAR": var_table(BETAS, 10, "quadratic", 1.0),
    "VAR on curved betas": var_table(CURVED, 10, "linear", 0.5),
}
EACH = pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))


def test_steps_are_even_or_dense_near_the_data():
    assert chosen_steps(1000, 5, "linear").tolist() == [999, 749, 499, 249, 0]
    assert chosen_steps(1000, 5, "quadratic").tolist() == [800, 450, 200, 50, 0]
    assert chosen_steps(10, 10, "linear").tolist() == list(range(9, -1, -1))
    assert chosen_steps(10, 1, "linear").tolist() == [9]


@pytest.mark.parametrize("spacing", ["linear", "quadratic"])
@pytest.mark.parametrize(("total", "steps"), [(10, 10), (7, 3), (1, 1), (1000, 999)])
def test_steps_are_whole_fall_and_are_each_taken_once(spacing, total, steps):
    chosen = chosen_steps(total, steps, spacing)
    assert 1 <= len(chosen) <= min(total, steps)
    assert (np.diff(chosen) < 0).all()
    assert set(chosen.tolist()) <= set(range(total))


@pytest.mark.parametrize("spacing", ["linear", "quadratic"])
def test_more_steps_than_the_chain_has_are_refused_since_a_row_would_say_what_it_did_not_do(spacing):
    with pytest.raises(UserError, match="steps: 20 are more than the chain has, which are 10; name 10 or fewer"):
        chosen_steps(10, 20, spacing)


def test_shares_of_signal_are_the_running_product():
    np.testing.assert_allclose(alpha_bars(torch.tensor([0.1, 0.2, 0.5], dtype=torch.float64)), [0.9, 0.72, 0.36])


@EACH
def test_every_table_walks_from_noise_to_data(table):
    assert (np.diff(table.times) < 0).all()
    assert (np.diff(table.alpha_bars) > 0).all()
    assert table.alpha_bars_after.tolist() == [*table.alpha_bars[1:].tolist(), 1.0]
    assert table.std[-1] == 0
    # The last step lands on the network's estimate of the data: (x - sqrt(1 - a) eps) / sqrt(a).
    a = table.alpha_bars[-1]
    assert table.x_mult[-1] == pytest.approx(1 / np.sqrt(a))
    assert table.eps_mult[-1] == pytest.approx(-np.sqrt(1 - a) / np.sqrt(a))


@EACH
def test_given_the_true_noise_a_state_keeps_its_signal_and_its_variance(table):
    # x = sqrt(a) x_0 + sqrt(1 - a) eps becomes sqrt(b) x_0 + sqrt(1 - b - lambda^2) eps + lambda z.
    a, b = table.alpha_bars, table.alpha_bars_after
    np.testing.assert_allclose(table.x_mult * np.sqrt(a), np.sqrt(b))
    noise = table.x_mult * np.sqrt(1 - a) + table.eps_mult
    np.testing.assert_allclose(noise**2 + table.std**2, 1 - b, atol=1e-12)


def test_with_all_its_noise_a_step_is_the_posterior_of_the_forward_chain():
    # Ho et al. 2020, Eq. 7, between two kept steps: the forward variance from b to a is 1 - a / b.
    table = TABLES["few even steps"]
    a, b, x, eps = table.alpha_bars[3], table.alpha_bars[4], 0.7, -0.2
    beta, clean = 1 - a / b, (x - np.sqrt(1 - a) * eps) / np.sqrt(a)
    mean = (np.sqrt(b) * beta * clean + np.sqrt(1 - beta) * (1 - b) * x) / (1 - a)
    assert table.x_mult[3] * x + table.eps_mult[3] * eps == pytest.approx(mean)
    assert table.std[3] ** 2 == pytest.approx(beta * (1 - b) / (1 - a))


def test_without_noise_a_step_is_ddims():
    table = TABLES["no noise"]
    a, b, x, eps = table.alpha_bars[3], table.alpha_bars[4], 0.7, -0.2
    clean = (x - np.sqrt(1 - a) * eps) / np.sqrt(a)
    assert table.x_mult[3] * x + table.eps_mult[3] * eps == pytest.approx(np.sqrt(b) * clean + np.sqrt(1 - b) * eps)
    assert (table.std == 0).all()


def test_eta_scales_the_noise_and_the_mean_makes_room_for_it():
    table, full = TABLES["some noise"], TABLES["few even steps"]
    np.testing.assert_allclose(table.std, 0.4 * full.std)
    np.testing.assert_allclose(full.std, posterior_std(full.alpha_bars))
    np.testing.assert_array_equal(table.std, table.std_given_data)


def test_a_table_may_add_another_noise_than_its_mean_makes_room_for():
    table = TABLES["few even steps"]
    wide = StepTable(table.times, table.alpha_bars, 2 * table.std, table.std_given_data)
    np.testing.assert_array_equal(wide.eps_mult, table.eps_mult)


def test_rounding_below_zero_is_no_fault():
    # At the last step 1 - b - lambda^2 is 0, and may come out as -1e-17.
    table = StepTable(np.array([0.0]), np.array([0.9]), np.array([1e-9]), np.array([1e-9]))
    assert np.isfinite(table.eps_mult).all()


# FastDPM's VAR.


@pytest.mark.parametrize("schedule", ["linear", "quadratic"])
@pytest.mark.parametrize("kappa", [0.0, 0.5, 1.0])
def test_var_has_the_coefficients_that_are_compared_with_the_published_ones(schedule, kappa):
    table = var_table(BETAS, 20, schedule, kappa)
    known = fast_schedule(1e-4, 0.02, 1000, 20, schedule).coefficients(kappa)
    for name, own in (("x_mult", table.x_mult), ("eps_mult", table.eps_mult), ("time", table.times)):
        np.testing.assert_allclose(own, known[name].numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(table.std[:-1], known["std"][:-1].numpy(), rtol=1e-5, atol=1e-7)
    assert table.std[-1] == 0


def test_var_with_as_many_linear_steps_is_the_full_chain_up_to_its_bisection():
    full, table = TABLES["all steps"], var_table(BETAS, 1000, "linear", 1.0)
    # The published bisection stops when the last alpha_bar agrees within 1e-4 of itself.
    np.testing.assert_allclose(table.alpha_bars, full.alpha_bars, rtol=3e-4)
    np.testing.assert_allclose(table.times, full.times, rtol=0, atol=0.1)
    np.testing.assert_allclose(table.std[1:-1], full.std[1:-1], rtol=1e-3)


@pytest.mark.parametrize("schedule", ["linear", "quadratic"])
def test_var_finds_its_times_on_chains_that_are_not_linear(schedule):
    table = var_table(CURVED, 20, schedule, 1.0)
    # ln alpha_bar is linear between whole steps, as the table takes it.
    at_times = np.exp(np.interp(table.times, np.arange(1000), np.log(alpha_bars(CURVED))))
    inside = table.times < 999
    np.testing.assert_allclose(table.alpha_bars[inside], at_times[inside], rtol=1e-4)
    assert inside.sum() >= 18


def test_var_calls_no_time_outside_of_the_chain():
    for betas in (BETAS, CURVED):
        for steps in (1, 2, 5, 50):
            times = var_table(betas, steps, "quadratic", 1.0).times
            assert times.min() >= 0
            assert times.max() <= 999


def test_var_walks_a_chain_whose_betas_do_not_grow():
    table = var_table(torch.full((1000,), 0.01, dtype=torch.float64), 10, "linear", 1.0)
    assert all(0 <= time <= 999 for time in table.times)
    assert sorted(table.times, reverse=True) == list(table.times)
