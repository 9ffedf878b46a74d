"""Wasserstein-2 distances: cases solved by hand, agreement of solvers, and what they refuse."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from harness import Diverged
from harness.interfaces import Batch
from harness.streams import stream
from harness_wasserstein import ExactConfig, SlicedConfig
from harness_wasserstein import exact as exact_module
from harness_wasserstein.exact import assignment, solver_for, wasserstein_2
from harness_wasserstein.exact import build as exact
from harness_wasserstein.inputs import point_sets
from harness_wasserstein.sliced import build as sliced

SOLVERS = pytest.mark.parametrize("solver", ["dense", "lazy"])


def points(n, d=2, seed=0):
    return torch.randn(n, d, generator=stream(seed, "points"))


def w2(x, y, solver="auto"):
    return exact(ExactConfig(solver=solver))(Batch(x), Batch(y), torch.Generator())["w2"]


def sliced_w2(x, y, **settings):
    return sliced(SlicedConfig(**settings))(Batch(x), Batch(y), torch.Generator())["sliced-w2"]


@SOLVERS
def test_a_translation_by_three_and_four_is_five_away(solver):
    x = points(40)
    assert w2(x + torch.tensor([3.0, 4.0]), x, solver) == pytest.approx(5.0, rel=1e-6)


@SOLVERS
def test_a_set_in_another_order_is_no_distance_away(solver):
    x = points(50)
    assert w2(x.flip(0), x, solver) == 0.0


@SOLVERS
def test_two_points_go_to_the_nearer_partners(solver):
    x, y = torch.tensor([[0.0, 0.0], [10.0, 0.0]]), torch.tensor([[10.0, 1.0], [0.0, 2.0]])
    assert w2(x, y, solver) == pytest.approx(math.sqrt((2**2 + 1**2) / 2), rel=1e-11)


@SOLVERS
def test_on_a_line_sorted_points_are_partners(solver):
    x, y = points(100, d=1), 2 * points(100, d=1, seed=1) + 1
    expected = (x.double().sort(0).values - y.double().sort(0).values).square().mean().sqrt()
    assert w2(x, y, solver) == pytest.approx(expected.item(), rel=1e-11)


@SOLVERS
@pytest.mark.parametrize("n", [1, 2, 17, 200])
def test_the_value_is_that_of_scipys_assignment(solver, n):
    x, y = points(n, d=3), points(n, d=3, seed=1)
    cost = torch.cdist(x.double(), y.double()).square().numpy()
    assert w2(x, y, solver) == pytest.approx(math.sqrt(cost[linear_sum_assignment(cost)].mean()), rel=1e-10)


@pytest.mark.parametrize("seed", range(5))
def test_the_solvers_agree_bit_for_bit(seed):
    x, y = points(150, seed=seed), points(150, seed=seed + 100)
    assert w2(x, y, "dense") == w2(x, y, "lazy")


def test_the_solvers_agree_bit_for_bit_when_points_coincide():
    x, y = points(60).round(), points(60, seed=1).round()
    assert w2(x, y, "dense") == w2(x, y, "lazy")


def test_auto_is_dense_only_where_a_third_of_the_free_memory_is_enough():
    assert solver_for("auto", 10_000, 13_000_000_000) == "dense"
    assert solver_for("auto", 10_000, 11_000_000_000) == "lazy"
    assert solver_for("dense", 10_000, 0) == "dense"
    assert solver_for("lazy", 10, 10**12) == "lazy"


def test_values_have_twelve_significant_digits():
    value = wasserstein_2(points(30).double().numpy(), points(30, seed=1).double().numpy(), "lazy")
    assert value == float(f"{value:.12g}")


@SOLVERS
def test_a_solver_that_stops_early_is_an_error_and_not_a_value(solver):
    x, y = points(100).double().numpy(), points(100, seed=1).double().numpy()
    with pytest.raises(RuntimeError, match=f"the {solver} optimal transport solver stopped before the optimum"):
        assignment(x, y, solver, iterations=3)


@SOLVERS
def test_every_row_has_a_partner_of_its_own(solver):
    partner = assignment(points(80).double().numpy(), points(80, seed=1).double().numpy(), solver)
    assert sorted(partner) == list(range(80))


def test_a_sliced_translation_is_the_mean_square_of_its_projections():
    x, move = points(64), torch.tensor([3.0, 4.0])
    directions = np.random.RandomState(7).randn(2, 25)
    directions /= np.linalg.norm(directions, axis=0)
    expected = math.sqrt(((move.numpy() @ directions) ** 2).mean())
    assert sliced_w2(x + move, x, projections=25, seed=7) == pytest.approx(expected, rel=1e-6)


def test_many_projections_give_a_translation_over_the_root_of_the_dimension():
    x = points(16, d=3)
    # 20,000 directions: the standard error of the mean square is 0.6 %.
    assert sliced_w2(x + 1.0, x, projections=20_000) == pytest.approx(math.sqrt(3) / math.sqrt(3), rel=0.02)


def test_sliced_never_exceeds_exact():
    x, y = points(100), 1.5 * points(100, seed=1)
    assert sliced_w2(x, y) <= w2(x, y)


def test_the_directions_are_a_setting_and_not_chance():
    x, y = points(100), points(100, seed=1)
    assert sliced_w2(x, y) == sliced_w2(x, y, seed=0)
    assert sliced_w2(x, y) != sliced_w2(x, y, seed=1)


@pytest.mark.parametrize("distance", [w2, sliced_w2])
class TestBothRefuse:
    def test_sets_of_different_size(self, distance):
        with pytest.raises(ValueError, match="got 5 generated points of 2 dimensions and 6 real ones of 2"):
            distance(points(5), points(6))

    def test_sets_of_different_dimension(self, distance):
        with pytest.raises(ValueError, match="got 5 generated points of 3 dimensions and 5 real ones of 2"):
            distance(points(5, d=3), points(5))

    def test_empty_sets(self, distance):
        with pytest.raises(ValueError, match="not empty"):
            distance(points(0), points(0))

    @pytest.mark.parametrize("value", [math.nan, math.inf])
    def test_samples_that_are_not_finite_as_diverged(self, distance, value):
        x = points(5)
        x[2, 1] = value
        with pytest.raises(Diverged, match="1 of 5 generated samples"):
            distance(x, points(5, seed=1))

    def test_reference_points_that_are_not_finite(self, distance):
        y = points(5)
        y[0] = math.nan
        with pytest.raises(ValueError, match="the real points"):
            distance(points(5, seed=1), y)


def test_images_are_compared_as_flat_rows():
    x = points(6, d=12)
    assert w2(x.view(6, 3, 2, 2) + 1, x.view(6, 3, 2, 2)) == pytest.approx(math.sqrt(12), rel=1e-6)


def test_the_limit_on_iterations_is_above_what_ten_thousand_points_need():
    assert exact_module.ITERATIONS > 10**7


def test_points_become_rows_in_float64_on_the_cpu():
    x, y = point_sets(Batch(points(4, d=6).view(4, 2, 3).half()), Batch(points(4, d=6, seed=1).requires_grad_()))
    assert x.shape == y.shape == (4, 6)
    assert x.dtype == y.dtype == np.float64


def test_the_real_set_is_looked_at_before_the_generated_one():
    """A reference that is not finite is a fault of the data, whatever the samples are."""
    broken = torch.full((3, 2), math.nan)
    with pytest.raises(ValueError, match="the real points have values that are not finite"):
        point_sets(Batch(broken), Batch(broken))


@pytest.mark.parametrize("bad", [1, 3])
def test_a_sample_counts_once_however_many_of_its_values_are_not_finite(bad):
    x = points(5, d=4)
    x[:bad] = math.inf
    with pytest.raises(Diverged, match=f"{bad} of 5 generated samples have values that are not finite"):
        point_sets(Batch(x), Batch(points(5, d=4, seed=1)))


@SOLVERS
def test_exchanging_the_sets_changes_nothing(solver):
    x, y = points(40), points(40, seed=1)
    assert w2(x, y, solver) == w2(y, x, solver)


@SOLVERS
def test_scaling_both_sets_scales_the_distance(solver):
    x, y = points(30), points(30, seed=1)
    assert w2(3 * x, 3 * y, solver) == pytest.approx(3 * w2(x, y, solver), rel=1e-6)


def test_the_sliced_distance_is_the_mean_over_directions_of_sorted_projections():
    x, y = points(50, d=3).double().numpy(), points(50, d=3, seed=1).double().numpy()
    directions = np.random.RandomState(3).randn(3, 40)
    directions /= np.linalg.norm(directions, axis=0)
    squared = ((np.sort(x @ directions, 0) - np.sort(y @ directions, 0)) ** 2).mean(0)
    found = sliced_w2(torch.from_numpy(x), torch.from_numpy(y), projections=40, seed=3)
    assert found == pytest.approx(math.sqrt(squared.mean()), rel=1e-6)


def test_more_memory_than_a_third_of_what_is_free_makes_auto_lazy_at_any_number():
    for n in (1, 100, 5000):
        needed = 3 * exact_module.DENSE_BYTES_A_PAIR * n * n
        assert solver_for("auto", n, needed) == "dense"
        assert solver_for("auto", n, needed - 1) == "lazy"


@pytest.mark.parametrize(("projections", "worst"), [(100, 0.086), (1000, 0.010)])
def test_a_translation_is_off_by_what_the_setting_says_and_no_more(projections, worst):
    zero, angles = torch.zeros(2, 2), torch.linspace(0, math.pi, 181)
    found = [sliced_w2(zero + torch.tensor([angle.cos(), angle.sin()]), zero, projections=projections) for angle in angles]
    off = np.abs(np.array(found) * math.sqrt(2) - 1)
    assert off.max() == pytest.approx(worst, abs=0.0005)


@pytest.mark.parametrize("dimensions", [2, 5])
def test_the_deviation_over_directions_is_that_of_the_formula(dimensions):
    shift = torch.zeros(2, dimensions)
    shift[:, 0] = 1
    squares = [dimensions * sliced_w2(shift, torch.zeros(2, dimensions), seed=seed) ** 2 for seed in range(2000)]
    assert np.mean(squares) == pytest.approx(1, abs=0.01)
    assert np.std(squares) == pytest.approx(math.sqrt(2 * (dimensions - 1) / ((dimensions + 2) * 100)), rel=0.07)
