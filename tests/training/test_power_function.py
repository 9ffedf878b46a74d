"""Power-function averages against the integrals that define them."""

import numpy as np
import pytest
import torch
from torch import nn

from harness.training import power_function
from harness.training.power_function import AverageSnapshot, PowerFunctionAverage

STDS = [0.01, 0.05, 0.1, 0.2, 0.28]


def profile(std, end, times):
    """The profile (g + 1) s^g / t^(g + 1) at some times; 0 behind its end."""
    g = power_function.exponent(std)
    return np.where(times <= end, (g + 1) * (times / end) ** g / end, 0.0)


def middles(end, n=200_000):
    """Midpoints of n even intervals of [0, end], and the length of an interval."""
    return (np.arange(n) + 0.5) * end / n, end / n


@pytest.mark.parametrize("std", STDS)
def test_the_length_is_the_standard_deviation_of_the_profile(std):
    times, step = middles(1.0)
    weights = profile(std, 1.0, times) * step
    mean = (weights * times).sum()
    assert weights.sum() == pytest.approx(1, abs=1e-6)
    assert np.sqrt((weights * (times - mean) ** 2).sum()) == pytest.approx(std, rel=1e-5)


def test_a_uniform_profile_is_the_longest_and_lengths_beyond_it_are_refused():
    assert power_function.exponent(0.28867) == pytest.approx(0.0, abs=1e-3)
    for std in (0.0, -0.1, 0.2887, 1.0):
        with pytest.raises(ValueError, match=f"below 0.2886, not {std}"):
            power_function.exponent(std)


@pytest.mark.parametrize("std", STDS)
def test_the_decays_of_all_steps_give_each_step_its_interval_of_the_profile(std):
    """The weight of step k is the integral of the profile over the images of step k, exactly."""
    steps, batch, g = 50, 4, power_function.exponent(std)
    kept = [power_function.decay(std, (k + 1) * batch, batch) for k in range(steps)]
    shares = [(1 - kept[k]) * np.prod(kept[k + 1 :]) for k in range(steps)]
    ends = (np.arange(steps + 1) / steps) ** (g + 1)
    np.testing.assert_allclose(shares, np.diff(ends), rtol=1e-9, atol=1e-15)
    assert kept[0] == 0.0  # the initial weights leave no trace


@pytest.mark.parametrize(("time_a", "time_b"), [(1.0, 1.0), (3.0, 5.0), (5.0, 3.0), (1.0, 100.0)])
def test_overlaps_are_integrals_of_products_of_profiles(time_a, time_b):
    found = power_function.overlap(*map(np.array, ([time_a] * 2, [0.05, 0.2], [time_b] * 3, [0.1, 0.05, 0.28])))
    assert found.shape == (2, 3)
    times, step = middles(min(time_a, time_b))
    for row, std_a in enumerate((0.05, 0.2)):
        for column, std_b in enumerate((0.1, 0.05, 0.28)):
            expected = (profile(std_a, time_a, times) * profile(std_b, time_b, times)).sum() * step
            assert found[row, column] == pytest.approx(expected, rel=1e-5)


def test_overlaps_of_billions_of_images_stay_finite():
    """An exponent of 98 on 2 billion images: their power alone would overflow."""
    found = power_function.overlap(*map(np.array, ([2e9, 1e9], [0.01, 0.01], [2e9], [0.01])))
    small = power_function.overlap(*map(np.array, ([2.0, 1.0], [0.01, 0.01], [2.0], [0.01])))
    np.testing.assert_allclose(found * 1e9, small, rtol=1e-12)


def test_coefficients_are_the_least_squares_solution_on_a_grid_of_times():
    ends, stds = np.array([4.0, 4.0, 8.0, 8.0]), np.array([0.05, 0.1, 0.05, 0.1])
    times, step = middles(8.0, n=20_000)
    stored = np.stack([profile(std, end, times) for std, end in zip(stds, ends, strict=True)], 1)
    wanted = np.array([0.07, 0.09])
    found = power_function.coefficients(ends, stds, 8.0, wanted)
    for column, std in enumerate(wanted):
        solution = np.linalg.lstsq(stored * step**0.5, profile(std, 8.0, times) * step**0.5, rcond=None)[0]
        np.testing.assert_allclose(found[:, column], solution / solution.sum(), atol=1e-3)
    np.testing.assert_allclose(found.sum(0), 1)


def test_a_stored_average_is_put_together_from_itself_alone():
    found = power_function.coefficients(np.array([4.0, 8.0, 8.0]), np.array([0.1, 0.05, 0.1]), 8.0, np.array([0.05]))
    np.testing.assert_allclose(found[:, 0], [0, 1, 0], atol=1e-9)


def snapshot(images, std, value, dtype=torch.float32):
    return AverageSnapshot(images, std, {"w": torch.full((2,), value, dtype=dtype)})


def test_a_reconstruction_is_the_sum_by_the_coefficients_in_the_stored_type():
    stored = [snapshot(4, 0.05, 1.0), snapshot(4, 0.1, 2.0), snapshot(8, 0.05, 3.0), snapshot(8, 0.1, 5.0)]
    shares = power_function.coefficients(np.array([4.0, 4.0, 8.0, 8.0]), np.array([0.05, 0.1] * 2), 8, np.array([0.07]))[:, 0]
    found = power_function.reconstruct(stored, 8, 0.07, {"w"})["w"]
    torch.testing.assert_close(found, torch.full((2,), float(shares @ [1.0, 2.0, 3.0, 5.0])))
    halves = [snapshot(8, 0.05, 3.0, torch.half), snapshot(8, 0.1, 3.0, torch.half)]
    half = power_function.reconstruct(halves, 8, 0.07, {"w"})["w"]
    assert half.dtype == torch.half
    torch.testing.assert_close(half, torch.full((2,), 3.0).half())  # an average of equal weights is these weights


def test_later_snapshots_do_not_matter_and_one_at_the_time_must_be_there():
    stored = [snapshot(4, 0.05, 1.0), snapshot(4, 0.1, 2.0), snapshot(8, 0.05, 9.0)]
    early = power_function.reconstruct(stored, 4, 0.08, {"w"})["w"]
    assert torch.equal(early, power_function.reconstruct(stored[:2], 4, 0.08, {"w"})["w"])
    with pytest.raises(ValueError, match="no snapshot at 6 images; there are: 4, 8"):
        power_function.reconstruct(stored, 6, 0.08, {"w"})
    with pytest.raises(ValueError, match="there are: none"):
        power_function.reconstruct([], 6, 0.08, {"w"})


def test_tensors_that_are_no_averages_are_those_of_the_last_snapshot_bit_for_bit():
    """A weighted sum would make 0, 0, 1, 3, 3, 5, … of the numbers 0, 1, 2, 3, 4, 5, …, and NaN of the infinities of a mask."""
    constant = {"table": torch.arange(12), "mask": torch.tensor([0.0, -torch.inf])}
    stored = [
        AverageSnapshot(images, std, {"w": torch.full((2,), float(images)), "steps": torch.tensor(images), **constant})
        for images in range(1, 17)
        for std in (0.05, 0.1)
    ]
    found = power_function.reconstruct(stored, 16, 0.2, {"w"})
    assert {name: torch.equal(found[name], stored[-1].weights[name]) for name in (*constant, "steps")} == {
        "table": True, "mask": True, "steps": True,
    }  # fmt: skip
    assert 0 < found["w"][0] < 16


class OneWeight(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, dtype=torch.float64))
        self.register_buffer("steps", torch.tensor(0))


def follow(values, stds=(0.05, 0.1), batch=2):
    """Averages that followed one weight through these values, and the model."""
    model = OneWeight()
    tracked = PowerFunctionAverage(model, stds)
    for number, value in enumerate(values):
        with torch.no_grad():
            model.weight.fill_(value)
        model.steps.add_(1)
        tracked.update(model, (number + 1) * batch, batch)
    return tracked, model


@pytest.mark.parametrize("power", [1, 2, 5])
def test_tracking_a_power_of_time_gives_the_integral_in_closed_form(power):
    """Of theta(s) = s^k the average is (g + 1) / (g + 1 + k) t^k; steps of 1 / 2000 miss it by about as much."""
    tracked, _ = follow([((k + 1) / 2000) ** power for k in range(2000)])
    for std, average in zip(tracked.stds, tracked.averages, strict=True):
        g = power_function.exponent(std)
        assert average["weight"].item() == pytest.approx((g + 1) / (g + 1 + power), abs=power / 2000)


def test_buffers_are_copied_and_each_length_has_an_average_of_its_own():
    tracked, model = follow([1.0, 2.0, 4.0])
    short, long = (average["weight"].item() for average in tracked.averages)
    assert short > long  # the shorter average is nearer to the last value
    assert all(average["steps"].item() == 3 for average in tracked.averages)
    model.steps.add_(1)
    assert tracked.averages[0]["steps"].item() == 3  # a copy


def test_snapshots_are_copies_with_time_and_length():
    tracked, model = follow([1.0, 2.0])
    found = tracked.snapshots(4)
    assert [(snapshot.images, snapshot.std) for snapshot in found] == [(4, 0.05), (4, 0.1)]
    before = found[0].weights["weight"].item()
    tracked.update(model, 6, 2)
    assert (found[0].weights["weight"].item(), found[0].weights["steps"].item()) == (before, 2)
