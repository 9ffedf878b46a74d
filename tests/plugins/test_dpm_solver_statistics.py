"""Empirical model statistics on their grid: values, integrals, and what a file may hold."""

import math

import pytest
import torch
from scipy.integrate import quad

from harness_dpm_solver.statistics import Statistics, from_tensors, trivial


@pytest.fixture
def statistics():
    grid = torch.linspace(-2, 3, 11, dtype=torch.float64)
    two = torch.stack([grid.sin(), grid.cos()], 1)  # two coordinates
    return Statistics(grid, 1 + 0.2 * two, 0.5 * two, two**2)


@pytest.mark.parametrize("lam", [-2.0, -1.75, 0.0, 1.1, 3.0])
def test_values_are_linear_between_the_points_of_the_grid(statistics, lam):
    cell = min(int((lam + 2) / 0.5), 9)
    share = (lam + 2) / 0.5 - cell
    expected = (1 - share) * statistics.l[cell] + share * statistics.l[cell + 1]
    torch.testing.assert_close(statistics.slope(lam), expected)


@pytest.mark.parametrize("lam", [-3.0, 4.0])
def test_outside_of_the_grid_the_ends_go_on(statistics, lam):
    torch.testing.assert_close(statistics.slope(lam), statistics.l[0] if lam < 0 else statistics.l[-1])


@pytest.mark.parametrize("lam", [-2.0, -1.6, 0.0, 1.37, 3.0])
def test_integrals_of_l_and_s_are_those_of_the_lines_between_the_points(statistics, lam):
    points = [point for point in statistics.grid.tolist() if point < lam]
    for values, integral in ((statistics.l, statistics.integral_l), (statistics.s, statistics.integral_s)):
        for coordinate in (0, 1):
            line = Statistics(statistics.grid, values[:, coordinate], values[:, coordinate], values[:, coordinate])
            expected = quad(lambda at, line=line: float(line.slope(at)), -2.0, lam, points=points[1:] or None, limit=200)[0]
            assert float(integral(lam)[coordinate]) == pytest.approx(expected, abs=1e-8)


def test_the_integral_of_b_is_discounted_by_that_of_s():
    grid = torch.linspace(0, 2, 401, dtype=torch.float64)
    fine = Statistics(grid, torch.ones_like(grid), 0.7 * torch.ones_like(grid), grid.exp())
    expected = (math.exp(0.3 * 2) - 1) / 0.3  # of exp(-0.7 u) exp(u)
    assert float(fine.integral_b(2.0)) == pytest.approx(expected, rel=1e-5)
    assert float(fine.integral_b(0.0)) == 0


def test_trivial_statistics_are_data_prediction_over_the_whole_range():
    found = trivial(0.01, 10.0)
    assert found.grid.tolist() == pytest.approx([-math.log(10), math.log(100)])
    for lam in (-2.0, 0.0, 4.0):
        assert (float(found.slope(lam)), float(found.integral_s(lam)), float(found.integral_b(lam))) == (1, 0, 0)
    assert float(found.integral_l(0.0)) == pytest.approx(math.log(10))


def test_tensors_come_back_as_the_same_statistics(statistics):
    back = from_tensors({name: value.float() for name, value in statistics.tensors().items()})
    assert back.grid.dtype == torch.float64
    torch.testing.assert_close(back.slope(0.3), statistics.slope(0.3), rtol=1e-6, atol=1e-6)
    moved = statistics.to(torch.device("cpu"))
    assert torch.equal(moved.l, statistics.l)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lambda": torch.tensor([0.0, 1.0, 3.0])}, "not an even, increasing grid"),
        ({"lambda": torch.tensor([2.0, 1.0, 0.0])}, "not an even, increasing grid"),
        ({"lambda": torch.zeros(3)}, "not an even, increasing grid"),
        ({"lambda": torch.zeros(3, 2)}, "not an even, increasing grid"),
        ({"s": torch.ones(2)}, "do not have a row for each lambda"),
    ],
)
def test_tensors_that_are_no_statistics_are_an_error(changes, message):
    tensors = {"lambda": torch.arange(3.0), "l": torch.ones(3), "s": torch.ones(3), "b": torch.ones(3)}
    from_tensors(tensors)
    with pytest.raises(ValueError, match=message):
        from_tensors({**tensors, **changes})


def test_missing_tensors_are_named_with_those_that_are_there():
    with pytest.raises(ValueError, match="no b, lambda, s among the tensors l, means"):
        from_tensors({"l": torch.ones(2), "means": torch.ones(2)})
