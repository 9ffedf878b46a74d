"""What networks are tried on, and how their answers are looked at."""

import pytest
import torch
from torch import nn

from harness.interfaces import DataSpec
from harness.testing import probes


def test_examples_have_the_shape_and_labels_of_the_spec_and_repeat():
    spec = DataSpec((1, 4, 4), classes=3)
    x, labels = probes.examples(spec, n=400)
    assert x.shape == (400, 1, 4, 4)
    assert x.std().item() == pytest.approx(0.5, rel=0.03)  # 6,400 numbers: 0.9 %
    assert labels.unique().tolist() == [0, 1, 2]
    assert torch.equal(probes.examples(spec, n=400)[0], x)
    assert not torch.equal(probes.examples(spec, n=400, seed=1)[0], x)
    assert probes.examples(DataSpec((2,)))[1] is None


def test_close_is_up_to_rounding_of_the_largest_value(failure):
    wide = torch.tensor([1000.0, 0.0], requires_grad=True)
    probes.check_close(wide + 0.05, wide, "sums")
    assert failure(probes.check_close, wide + 0.2, wide, "the sums") == "the sums differ by 0.2"
    assert failure(probes.check_close, torch.tensor([0.001]), torch.tensor([0.0]), "they") == "they differ by 0.001"


def test_a_scalar_must_reach_some_weights_with_finite_gradients(failure):
    model = nn.Linear(2, 1, bias=False)
    x = torch.ones(1, 2)
    probes.check_gradients(model, model(x).sum(), "the loss")
    assert failure(probes.check_gradients, model, model(x).sum().detach(), "the loss") == (
        "the loss is not differentiable in the weights"
    )
    elsewhere = torch.ones((), requires_grad=True) * 2
    assert failure(probes.check_gradients, model, elsewhere, "the loss") == "the loss has no gradient in the weights"
    zero = (0 * model(x)).sum()
    assert failure(probes.check_gradients, model, zero, "the loss") == "the loss has no gradient in the weights"
    steep = model.weight.sub(model.weight.detach()).sqrt().sum()  # the slope of a square root at 0
    assert failure(probes.check_gradients, model, steep, "the loss") == "the loss has gradients that are not finite"


def test_evaluations_must_go_through_forward_with_the_batch_in_front(failure):
    model, x = nn.Linear(2, 2), torch.ones(probes.BATCH, 2)
    assert probes.through_forward(model, lambda: model(x), "it").shape == x.shape
    probes.through_forward(model, lambda: model(torch.cat([x, x])), "it")  # two evaluations of each example at once
    message = "it bypasses the module's forward, where the harness counts evaluations of the network"
    assert failure(probes.through_forward, model, lambda: model.forward(x), "it") == message
    assert failure(probes.through_forward, model, lambda: model(x[:4]), "it") == "it calls forward with 4 rows for 6 examples"
    assert not model._forward_pre_hooks
