"""Where DDO's population loss has its optimum, on Gaussian mixtures, by quadrature."""

import math

import pytest
import torch
from mixture_grids import grid

from harness.testing.mixture import GaussianMixture, four_points
from harness_ddo.loss import ddo_loss


def ddo_gradients(theta, reference, target, *, alpha, beta):
    """Gradients of DDO's population loss in the parameters of theta, by quadrature."""
    points, area = grid(-4, 4, 321)
    ratio = theta.log_likelihood(points, None, None) - reference.log_prob(points).detach()
    each = torch.func.vmap(lambda real, fake, share: ddo_loss(real[None], fake[None], alpha=share, beta=beta))
    zero = torch.zeros_like(ratio)
    real = each(ratio, zero, zero)  # without the generated half
    fake = each(zero + 1e9, ratio, zero + alpha)  # a certain real half costs nothing
    loss = ((target.log_prob(points).exp() * real + reference.log_prob(points).exp() * fake) * area).sum()
    return torch.autograd.grad(loss, list(theta.parameters()))


def test_ddos_gradient_is_zero_at_the_data_and_not_elsewhere():
    reference, target, theta = four_points(0.2), four_points(0.15), four_points(0.15)
    with torch.no_grad():
        reference.means.mul_(0.9)
    at_optimum = ddo_gradients(theta, reference, target, alpha=1.0, beta=1.0)
    assert max(float(gradient.abs().max()) for gradient in at_optimum) < 1e-9
    at_start = ddo_gradients(reference, reference, target, alpha=1.0, beta=1.0)
    assert max(float(gradient.abs().max()) for gradient in at_start) > 1e-2


@pytest.mark.parametrize("beta", [0.5, 0.25])
def test_below_beta_one_ddos_optimum_lies_beyond_the_data(beta):
    # For normal densities of one spread, p_ref^(1 - 1/beta) p_data^(1/beta) is normal around m_ref + (m_data - m_ref) / beta,
    # times Z = exp((1/beta) (1/beta - 1) |m_data - m_ref|^2 / (2 s^2)); alpha = Z^beta is what makes it normalised.
    spread, shift = 0.6, torch.tensor([[0.2, -0.1]])
    reference = GaussianMixture(torch.zeros(1, 2), torch.tensor([spread]))
    target = GaussianMixture(shift, torch.tensor([spread]))
    theta = GaussianMixture(shift / beta, torch.tensor([spread]))
    log_z = (1 / beta) * (1 / beta - 1) * float((shift.double() ** 2).sum()) / (2 * spread**2)
    gradients = ddo_gradients(theta, reference, target, alpha=math.exp(beta * log_z), beta=beta)
    # 0.2 and -0.1 are float32 numbers: 1e-8 of error each.
    assert max(float(gradient.abs().max()) for gradient in gradients) < 1e-7
    at_data = ddo_gradients(target, reference, target, alpha=math.exp(beta * log_z), beta=beta)
    assert max(float(gradient.abs().max()) for gradient in at_data) > 1e-2
