import pytest
import torch
from torch import nn

from harness.training.ema import ExponentialAverage


class OneWeight(nn.Module):
    def __init__(self, value):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([value]))
        self.register_buffer("count", torch.tensor(0))


def test_the_average_follows_by_hand():
    model = OneWeight(1.0)
    ema = ExponentialAverage(model, 0.75)
    with torch.no_grad():
        model.weight.fill_(5.0)
    ema.update()
    assert ema.weights()["weight"].item() == pytest.approx(2.0)  # 0.75 · 1 + 0.25 · 5
    ema.update()
    assert ema.weights()["weight"].item() == pytest.approx(2.75)  # 0.75 · 2 + 0.25 · 5
    assert model.weight.item() == 5.0


def test_buffers_are_the_models():
    model = OneWeight(1.0)
    ema = ExponentialAverage(model, 0.5)
    model.count.fill_(7)
    assert ema.weights()["count"].item() == 7


def test_weights_are_copies_and_restoring_is_exact():
    model = OneWeight(1.0)
    ema = ExponentialAverage(model, 0.9)
    with torch.no_grad():
        model.weight.fill_(2.0)
    ema.update()
    saved = ema.weights()
    other = ExponentialAverage(OneWeight(9.0), 0.9)
    other.restore(saved)
    ema.update()
    assert torch.equal(other.weights()["weight"], saved["weight"])
    assert not torch.equal(ema.weights()["weight"], saved["weight"])
