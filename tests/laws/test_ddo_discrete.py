"""Where DDO ends on a space of four states, whose probabilities sum to 1: not at the optimum that the paper states.

State by state the loss is smallest at p_ref (p_data / (alpha p_ref))^(1/beta). The stated optimum is this, scaled to sum to 1. It
is the true one where nothing needs to be scaled: for alpha = beta = 1, and for one alpha at each other beta.
"""

import pytest
import torch

from harness_ddo.loss import ddo_loss

DATA = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.float64)
REFERENCE = DATA.flip(0)


def expected_loss(log_p, alpha, beta):
    """Return the loss over the whole space, each state with its probability."""
    ratio, zero = log_p - REFERENCE.log(), torch.zeros(4, dtype=torch.float64)
    both = torch.func.vmap(lambda real, fake, share: ddo_loss(real[None], fake[None], alpha=share, beta=beta))
    sure = zero + 1e9  # a certain real half costs nothing
    return (DATA * both(ratio, zero, zero) + REFERENCE * both(sure, ratio, zero + alpha)).sum()


def reached(alpha, beta):
    """Return the distribution at which training a softmax over the states ends."""
    logits = REFERENCE.log().clone().requires_grad_()
    optimizer = torch.optim.LBFGS(
        [logits], max_iter=500, tolerance_grad=1e-12, tolerance_change=1e-15, line_search_fn="strong_wolfe"
    )

    def closure():
        optimizer.zero_grad()
        loss = expected_loss(logits.log_softmax(0), alpha, beta)
        loss.backward()
        return loss

    optimizer.step(closure)
    return logits.detach().softmax(0)


def stated(beta):
    """Return p_ref^(1 - 1/beta) p_data^(1/beta), scaled to sum to 1."""
    power = REFERENCE ** (1 - 1 / beta) * DATA ** (1 / beta)
    return power / power.sum()


def distance(p, q):
    """Return the total variation."""
    return float((p - q).abs().sum() / 2)


def test_with_alpha_and_beta_one_training_ends_at_the_data():
    assert distance(reached(1.0, 1.0), DATA) < 1e-6


def test_the_stated_optimum_is_not_where_training_ends():
    end = reached(1.0, 0.3)
    assert end.tolist() == pytest.approx([0.646, 0.288, 0.062, 0.004], abs=0.001)
    assert stated(0.3).tolist() == pytest.approx([0.922, 0.070, 0.007, 0.000], abs=0.001)
    assert distance(end, stated(0.3)) == pytest.approx(0.28, abs=0.005)


def test_another_alpha_moves_the_end_away_from_the_data():
    end = reached(2.0, 1.0)
    assert end.tolist() == pytest.approx([0.647, 0.182, 0.115, 0.056], abs=0.001)
    assert distance(end, DATA) == pytest.approx(0.25, abs=0.005)


@pytest.mark.parametrize("beta", [0.3, 0.5])
def test_at_the_alpha_that_normalises_it_the_stated_optimum_is_the_end(beta):
    # State by state the minimum is p_ref (p_data / (alpha p_ref))^(1/beta), which sums to 1 for alpha = Z^beta.
    z = (REFERENCE ** (1 - 1 / beta) * DATA ** (1 / beta)).sum()
    assert distance(reached(float(z**beta), beta), stated(beta)) < 1e-6


def test_where_training_ends_the_gradient_is_equal_over_states():
    """The condition of the sum: sigma(-beta r) p_data - alpha sigma(beta r) p_ref is the same multiple of p in all states."""
    end = reached(2.0, 0.3)
    z = 0.3 * (end.log() - REFERENCE.log())
    multiple = (DATA * torch.sigmoid(-z) - 2.0 * REFERENCE * torch.sigmoid(z)) / end
    torch.testing.assert_close(multiple, multiple.mean().expand(4), rtol=0, atol=1e-5)  # what is left of the gradient, over p
