"""What stands in the place of operations without a deterministic kernel gives what they give, and their gradients."""

import pytest
import torch
from torch.nn import functional

from harness import card_kernels
from harness.card_kernels import enlarged, running_sum, token_losses
from harness.streams import stream


@pytest.fixture
def on_a_card(monkeypatch):
    """Compute as on a card."""
    monkeypatch.setattr(card_kernels, "is_needed", lambda _: True)


@pytest.mark.parametrize("shape", [(1,), (2,), (7,), (3, 64), (2, 3, 100)])
@pytest.mark.parametrize("dim", [0, -1])
def test_a_running_sum_is_that_of_torch(on_a_card, shape, dim):
    x = torch.rand(shape, generator=stream(0, "x"), dtype=torch.float64)
    torch.testing.assert_close(running_sum(x, dim), x.cumsum(dim), rtol=1e-13, atol=0)  # another order of additions


def test_a_running_sum_of_counts_is_torchs_own(on_a_card):
    counts = torch.tensor([3, 0, 4])
    assert running_sum(counts).equal(torch.tensor([3, 3, 7]))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_losses_of_tokens_are_those_of_torch(monkeypatch, smoothing):
    logits = torch.randn(3, 5, 7, generator=stream(0, "logits"), requires_grad=True)
    tokens = torch.randint(7, (3, 5), generator=stream(0, "tokens"))
    found = {}
    for is_card in (False, True):
        monkeypatch.setattr(card_kernels, "is_needed", lambda _, is_card=is_card: is_card)
        losses = token_losses(logits, tokens, label_smoothing=smoothing)
        assert losses.shape == (3, 5)
        found[is_card] = (losses, *torch.autograd.grad(losses.square().sum(), logits))
    torch.testing.assert_close(found[True], found[False])


@pytest.mark.parametrize(("size", "side"), [((1, 1), 8), ((3, 3), 8), ((5, 5), 16), ((4, 2), 7), ((8, 8), 8)])
def test_enlarged_images_and_their_gradients_are_those_of_torch(monkeypatch, size, side):
    x = torch.randn(2, 3, *size, generator=stream(0, "x"), requires_grad=True)
    found = {}
    for is_card in (False, True):
        monkeypatch.setattr(card_kernels, "is_needed", lambda _, is_card=is_card: is_card)
        images = enlarged(x, side)
        found[is_card] = (images, *torch.autograd.grad(images.square().sum(), x))
    expected = functional.interpolate(x, (side, side), mode="bicubic", align_corners=False)
    assert found[False][0].equal(expected)
    torch.testing.assert_close(found[True], found[False], rtol=1e-4, atol=1e-5)


def test_without_a_gradient_images_are_enlarged_by_torch_itself(on_a_card):
    x = torch.randn(1, 2, 3, 3)
    assert enlarged(x, 5).equal(functional.interpolate(x, (5, 5), mode="bicubic", align_corners=False))


def test_a_processor_takes_torchs_own_operations():
    assert not card_kernels.is_needed(torch.zeros(1))
