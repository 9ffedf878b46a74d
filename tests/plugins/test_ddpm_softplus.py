"""Softplus and its derivatives agree with torch's in float64, and no input overflows."""

import pytest
import torch
from torch.nn import functional

from harness_ddpm.softplus import fast_softplus

X = torch.cat([torch.linspace(-120, 120, 100_001), torch.tensor([0.0, -0.0, 1e-30, -1e-30, 1e30, -1e30])])


def test_values_are_within_rounding_of_float64():
    exact = functional.softplus(X.double())
    error = (fast_softplus(X).double() - exact).abs()
    assert float((error / exact.clamp(min=1)).max()) < 2e-7
    assert fast_softplus(X).isfinite().all()


def test_the_first_and_second_derivatives_are_those_of_float64():
    x = X[:-2].clone().requires_grad_()
    first = torch.autograd.grad(fast_softplus(x).sum(), x, create_graph=True)[0]
    second = torch.autograd.grad(first.sum(), x)[0]
    sigmoid = X[:-2].double().sigmoid()
    torch.testing.assert_close(first.double(), sigmoid, rtol=1e-6, atol=1e-38)
    torch.testing.assert_close(second.double(), sigmoid * (1 - sigmoid), rtol=1e-4, atol=1e-7)


def test_the_input_is_left_as_it_is():
    x = torch.tensor([-1.0, 2.0])
    fast_softplus(x)
    assert x.tolist() == [-1.0, 2.0]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_stays_so(value):
    torch.testing.assert_close(fast_softplus(torch.tensor(value)), functional.softplus(torch.tensor(value)), equal_nan=True)
