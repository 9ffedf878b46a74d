"""CCA: its loss by hand, its rows without a negative, and what it does to a tiny model."""

import math

import pytest
import torch

from harness.components import Method, MethodUsage, Model
from harness.errors import UserError
from harness.interfaces import Batch, DataSpec
from harness.plugins import registry
from harness.streams import stream
from harness.testing.models import build
from harness.testing.task import InMemoryTask
from harness_cca import CCAConfig, check
from harness_cca.method import CCA, cca_loss

SPEC = DataSpec((1, 2, 2), classes=3, preview="images")


def task(steps=1, classes=3):
    component = registry().get(Model, "var", where="test")
    config = component.config(
        depth=1, embed_dim=16, num_heads=2, patch_nums=(1, 2), tokenizer={"vocab_size": 64, "ch_mult": (1,)}
    )
    spec = DataSpec((1, 2, 2), classes=classes, preview="images")
    return InMemoryTask(build(component, config, spec).double(), spec, None, steps=steps, batch=12)


def batch(n=12):
    generator = stream(0, "data")
    return Batch(torch.randn(n, 1, 2, 2, generator=generator), torch.arange(n) % 3, torch.arange(n))


def test_the_loss_by_hand():
    def sigmoid(z):
        return 1 / (1 + math.exp(-z))

    own, wrong = torch.tensor([2.0, 3.0]), torch.tensor([-1.0, 5.0])
    loss = cca_loss(own, wrong, torch.tensor([False, True]), beta=0.5, weight=4.0)
    first = -math.log(sigmoid(1.0)) - 4 * math.log(sigmoid(0.5))
    second = -4 * math.log(sigmoid(1.5))  # no negative: the wrong label's ratio does not matter
    assert loss.item() == pytest.approx((first + second) / 2 / 4, rel=1e-6)


def test_at_the_reference_the_loss_is_that_of_a_coin():
    logged = CCA(CCAConfig(weight=9.0, drop_label=0.0), task()).step(batch(), stream(0, "step"), 0)
    assert logged["margin_own"] == logged["margin_wrong"] == 0  # exactly, not about
    assert logged["loss"].item() == pytest.approx(10 * math.log(2) / 9)


def test_rows_whose_neighbour_has_their_label_have_no_negative():
    same = Batch(batch().x, torch.ones(12, dtype=torch.int64))
    logged = CCA(CCAConfig(weight=9.0, drop_label=0.0), task()).step(same, stream(0, "step"), 0)
    assert logged["loss"].item() == pytest.approx(math.log(2))


def test_a_dropped_label_is_that_of_no_class_and_its_row_has_no_negative():
    made, asked = task(), []
    method = CCA(CCAConfig(weight=9.0, drop_label=0.5), made)
    compute = made.model.log_likelihood
    made.model.log_likelihood = lambda x, labels, draw: asked.append(labels) or compute(x, labels, draw)
    logged = method.step(batch(), stream(0, "step"), 0)
    own, wrong = asked
    dropped = own == made.model.null_label
    assert 0 < dropped.sum() < 12
    assert torch.equal(own[~dropped], batch().labels[~dropped])
    assert torch.equal(wrong, batch().labels.roll(1))
    share = dropped.double().mean().item()
    assert logged["loss"].item() == pytest.approx((9 * share + 10 * (1 - share)) * math.log(2) / 9)


def test_training_tells_labels_apart():
    made = task(60)
    method = CCA(CCAConfig(beta=1.0, weight=1.0, optimizer={"lr": 3e-2}), made)
    # Images that their label says all about.
    x = 3 * torch.randn(3, 1, 2, 2, generator=stream(0, "images")).repeat(4, 1, 1, 1)
    assert len(made.model.encode(x).unique(dim=0)) == 3
    data = Batch(x, torch.arange(12) % 3, torch.arange(12))
    logs = [method.step(data, stream(0, "step", index), index) for index in range(60)]
    assert logs[-1]["accuracy"] == 1
    assert logs[-1]["loss"] < 0.5 * logs[0]["loss"]
    with torch.no_grad():
        own, wrong = (made.model.log_likelihood(x, labels, None) for labels in (data.labels, (data.labels - 1) % 3))
    assert (own > wrong + 1).all()


def test_data_without_labels_are_a_reason_to_skip():
    model = registry().get(Model, "var", where="test")
    with pytest.raises(UserError, match="cca contrasts labels, and the data have none"):
        check(CCAConfig(), MethodUsage(model, DataSpec((1, 2, 2))))
    check(CCAConfig(), MethodUsage(model, SPEC))
    assert registry().get(Method, "cca", where="test").check == "harness_cca:check"
