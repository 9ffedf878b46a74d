"""DDO's objective: its gradient, its optimum, and the rule of dropped pairs, on ratios without a model."""

import math

import pytest
import torch

from harness.streams import stream
from harness_ddo.loss import ddo_loss

PAIRS = 7


def ratios(seed=0):
    return torch.randn(2, PAIRS, generator=stream(seed, "ratios"), dtype=torch.float64).unbind()


def sigmoid(z):
    return 1 / (1 + math.exp(-z))


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (4.0, 0.05), (0.5, 3.0)])
def test_the_gradient_is_that_of_finite_differences(alpha, beta):
    real, fake = (half.requires_grad_() for half in ratios())
    dropped = torch.arange(PAIRS) % 3 == 0
    assert torch.autograd.gradcheck(lambda r, f: ddo_loss(r, f, alpha=alpha, beta=beta), (real, fake))
    assert torch.autograd.gradcheck(lambda r, f: ddo_loss(r, f, alpha=alpha, beta=beta, dropped=dropped), (real, fake))


def test_the_gradient_in_a_ratio_is_the_discriminators_error():
    # d/dr of -log s(beta r) is -beta (1 - s), and of -alpha log(1 - s(beta r)) is alpha beta s: sure pairs pull no more.
    real, fake = (half.requires_grad_() for half in ratios(1))
    ddo_loss(real, fake, alpha=3.0, beta=0.5).backward()
    torch.testing.assert_close(real.grad * PAIRS, -0.5 * (1 - torch.sigmoid(0.5 * real.detach())))
    torch.testing.assert_close(fake.grad * PAIRS, 3 * 0.5 * torch.sigmoid(0.5 * fake.detach()))


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (1.0, 0.5), (2.0, 0.1)])
def test_the_best_ratio_of_each_outcome_is_the_data_over_the_reference_to_the_power_of_one_over_beta(alpha, beta):
    """Theorem 3.3 without the constraint that probabilities add up to 1: four outcomes, each with a ratio of its own."""
    data, reference = torch.tensor([[0.4, 0.3, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4]], dtype=torch.float64)
    best = ((data / (alpha * reference)).log() / beta).requires_grad_()
    real = torch.stack([-torch.nn.functional.logsigmoid(beta * best), -torch.nn.functional.logsigmoid(-beta * best)])
    expected_loss = (data * real[0] + alpha * reference * real[1]).sum()
    # The same from the function: its batch mean over outcomes, weighed by hand through repeated rows.
    tenths = (data * 10).round().long(), (reference * 10).round().long()
    rows = [torch.repeat_interleave(best, counts) for counts in tenths]
    loss = ddo_loss(*rows, alpha=alpha, beta=beta)
    torch.testing.assert_close(loss, expected_loss)
    (slope,) = torch.autograd.grad(loss, best)
    torch.testing.assert_close(slope, torch.zeros(4, dtype=torch.float64), rtol=0, atol=1e-12)


def test_a_smaller_beta_aims_further_beyond_the_data():
    """Gradient descent of a normalised distribution over three outcomes, from a uniform reference."""
    data = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    rows = [torch.repeat_interleave(torch.arange(3), counts) for counts in (torch.tensor([15, 9, 6]), torch.tensor([10, 10, 10]))]

    def trained(beta):
        logits = torch.zeros(3, dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.Adam([logits], 0.05)
        for _ in range(300):
            ratio = logits.log_softmax(0) - math.log(1 / 3)
            optimizer.zero_grad()
            ddo_loss(ratio[rows[0]], ratio[rows[1]], alpha=1.0, beta=beta).backward()
            optimizer.step()
        return logits.softmax(0).detach()

    exact, beyond, further = (trained(beta) for beta in (1.0, 0.5, 0.25))
    torch.testing.assert_close(exact, data, rtol=0, atol=1e-4)
    assert data[0] < beyond[0] < further[0]
    assert data[2] > beyond[2] > further[2]


def test_real_and_generated_examples_need_not_come_in_the_same_order():
    real, fake = ratios(2)
    loss = ddo_loss(real, fake, alpha=2.0, beta=0.3)
    torch.testing.assert_close(ddo_loss(real.flip(0), fake.roll(3), alpha=2.0, beta=0.3), loss)


def test_a_pair_whose_label_is_dropped_weighs_as_a_positive_and_ignores_its_fake():
    real, fake = ratios(3)
    dropped = torch.zeros(PAIRS, dtype=torch.bool)
    dropped[2] = True
    loss = ddo_loss(real, fake, alpha=5.0, beta=1.0, dropped=dropped) * PAIRS
    others = sum(
        -math.log(sigmoid(r)) - 5 * math.log(1 - sigmoid(f))
        for place, (r, f) in enumerate(zip(real.tolist(), fake.tolist(), strict=True))
        if place != 2
    )
    assert loss.item() == pytest.approx(others - 5 * math.log(sigmoid(real[2].item())))
    fake[2] += 100
    assert ddo_loss(real, fake, alpha=5.0, beta=1.0, dropped=dropped) * PAIRS == loss


def test_an_alpha_below_one_does_not_lower_the_weight_of_dropped_pairs():
    real, fake = ratios(4)
    every = torch.ones(PAIRS, dtype=torch.bool)
    loss = ddo_loss(real, fake, alpha=0.1, beta=1.0, dropped=every)
    assert loss.item() == pytest.approx(-torch.nn.functional.logsigmoid(real).mean().item())


@pytest.mark.parametrize("extreme", [80.0, 1e4])
def test_very_sure_logits_lose_neither_value_nor_gradient(extreme):
    real = torch.tensor([-extreme], requires_grad=True)
    loss = ddo_loss(real, torch.tensor([-extreme]), alpha=1.0, beta=1.0)
    loss.backward()
    assert loss.item() == pytest.approx(extreme)  # -log s(-z) tends to z, and the fake's term to 0
    assert real.grad.item() == -1
