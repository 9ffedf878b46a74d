"""Statistics estimated on networks whose slopes, and what is left beside them, are known in closed form."""

import pytest
import torch

from harness.interfaces import Batch
from harness.streams import stream
from harness.testing.mixture import GaussianMixture, MixtureDenoiser, four_points
from harness_dpm_solver.estimate import LARGEST, _regression, estimate


class Bent(torch.nn.Module):
    """D = a(sigma) x + c(sigma): u = (1 - a) x - c, so l = 1 - a and f = -c, the same for all x."""

    sigma_range = (0.01, 10.0)

    def denoise(self, x, sigma, labels):
        return x / (1 + sigma**2) + 0.3 * sigma


def examples(n=200):
    return Batch(0.5 * torch.randn(n, 2, generator=stream(0, "x")))


def test_statistics_of_a_normal_distribution_are_those_worked_out_by_hand():
    # u = x - D = sigma^2 / (s^2 + sigma^2) x: linear, so that l is its slope and nothing is left for f.
    model = MixtureDenoiser(GaussianMixture(torch.zeros(1, 2), torch.tensor([0.5])))
    found = estimate(model, examples(), stream(0, "s"), low=0.01, high=10.0, levels=20, examples=200)
    sigma = (-found.grid).exp()
    expected = (sigma**2 / (0.25 + sigma**2))[:, None].expand(-1, 2)
    torch.testing.assert_close(found.l, expected, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(found.b, torch.zeros_like(found.b), rtol=0, atol=1e-2)


def test_the_grid_is_even_between_the_two_noise_levels():
    found = estimate(Bent(), examples(20), stream(0, "s"), low=0.02, high=5.0, levels=25, examples=20)
    sigma = (-found.grid).exp()
    assert [float(sigma[0]), float(sigma[-1])] == pytest.approx([5.0, 0.02])
    torch.testing.assert_close(found.grid.diff(), found.grid.diff()[:1].expand(24))
    assert found.l.shape == found.s.shape == found.b.shape == (25, 2)


def test_an_offset_that_moves_with_the_level_is_left_to_b():
    # f = -0.3 sigma for every x, and along lambda df / d lambda = 0.3 sigma: no spread in f, so s is 0 and b is that.
    found = estimate(Bent(), examples(), stream(0, "s"), low=0.1, high=1.0, levels=60, examples=200)
    sigma = (-found.grid).exp()[:, None].expand(-1, 2)
    torch.testing.assert_close(found.l, 1 - 1 / (1 + sigma**2), rtol=1e-4, atol=1e-6)
    inside = slice(2, -2)  # derivatives along the grid are one-sided at its ends
    torch.testing.assert_close((found.b + found.s * -0.3 * sigma)[inside], 0.3 * sigma[inside], rtol=0, atol=5e-3)


@torch.no_grad()
def test_on_a_mixture_the_slope_is_the_mean_of_the_exact_one():
    # du_i / dx_i = 1 - Var(x_0 | x)_i / sigma^2, by Tweedie's formula.
    mixture = four_points()
    model = MixtureDenoiser(mixture)
    clean, _ = mixture.sample(2000, stream(0, "data"))
    found = estimate(model, Batch(clean.float()), stream(1, "s"), low=0.2, high=2.0, levels=20, examples=2000)
    for level in (0, 10, 19):
        sigma = (-found.grid[level]).exp()
        x = clean + sigma * torch.randn(clean.shape, generator=stream(2, "noise"), dtype=torch.float64)
        expected = 1 - (mixture.posterior(x, torch.tensor(1.0), sigma).variance / sigma**2).mean(0)
        torch.testing.assert_close(found.l[level], expected, rtol=0, atol=0.05)


def test_the_network_is_called_five_times_an_example_and_level_in_chunks(monkeypatch):
    monkeypatch.setattr("harness_dpm_solver.estimate.ROWS", 16)
    rows = []

    class Counting(Bent):
        def denoise(self, x, sigma, labels):
            rows.append(len(x))
            return super().denoise(x, sigma, labels)

    estimate(Counting(), examples(50), stream(0, "s"), low=0.1, high=1.0, levels=20, examples=40)
    assert sum(rows) == 5 * 40 * 20
    assert max(rows) == 16


def test_labels_follow_their_examples():
    seen = []

    class Labelled(Bent):
        def denoise(self, x, sigma, labels):
            seen.append((x, labels))
            return super().denoise(x, sigma, labels)

    clean = torch.arange(30.0).view(-1, 1).expand(-1, 2) * 100
    estimate(Labelled(), Batch(clean, torch.arange(30)), stream(0, "s"), low=0.001, high=0.01, levels=20, examples=12)
    for x, labels in seen[::5]:  # the first call of each level is at the noisy examples themselves
        assert torch.equal((x[:, 0] / 100).round().long(), labels)
    assert all(len(labels) == 12 for _, labels in seen)


def test_an_estimate_repeats_with_its_generator():
    first, second = (estimate(Bent(), examples(30), stream(7, "s"), low=0.1, high=1.0, levels=20, examples=20) for _ in range(2))
    assert all(torch.equal(first.tensors()[name], value) for name, value in second.tensors().items())


def test_the_line_through_f_and_its_derivative_is_the_least_squares_one():
    # One coordinate, l = 0: f = u, and the derivative is the fourth number.
    generator = stream(0, "regression")
    u = torch.randn(500, generator=generator, dtype=torch.float64)
    change = 0.7 * u - 0.4 + 0.1 * torch.randn(500, generator=generator, dtype=torch.float64)
    rows = torch.stack([torch.ones(500, dtype=torch.float64), torch.zeros(500, dtype=torch.float64), u, change])
    moment = (rows @ rows.T / 500).expand(2, 4, 4)
    s, b = _regression(torch.zeros(2, dtype=torch.float64), moment, torch.tensor([0.0, 1.0], dtype=torch.float64))
    design = torch.stack([u, torch.ones_like(u)], 1)
    slope, offset = torch.linalg.lstsq(design, change[:, None]).solution.flatten().tolist()
    assert s.tolist() == pytest.approx([slope] * 2, rel=1e-4)
    assert b.tolist() == pytest.approx([offset] * 2, rel=1e-4)


def test_a_slope_out_of_all_bounds_is_cut():
    moment = torch.tensor([[1.0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 1e-3, 1.0], [0, 0, 1.0, 1e3]], dtype=torch.float64)
    s, _ = _regression(torch.zeros(2, dtype=torch.float64), moment.expand(2, 4, 4), torch.tensor([0.0, 1.0], dtype=torch.float64))
    assert s.tolist() == [LARGEST, LARGEST]
