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


def no_sampler(*_):
    raise NotImplementedError


def task(steps=1, classes=3):
    component = registry().get(Model, "var", where="test")
    tokenizer = {"vocab_size": 64, "ch_mult": (1,)}
    config = component.config.model_validate(
        {"depth": 1, "embed_dim": 16, "num_heads": 2, "patch_nums": (1, 2), "tokenizer": tokenizer}
    )
    spec = DataSpec((1, 2, 2), classes=classes, preview="images")
    return InMemoryTask(build(component, config, spec).double(), spec, no_sampler, steps=steps, batch=12)


def batch(n=12):
    generator = stream(0, "data")
    return Batch(torch.randn(n, 1, 2, 2, generator=generator), torch.arange(n) % 3, torch.arange(n))


def test_the_loss_by_hand():
    def sigmoid(z):
        return 1 / (1 + math.exp(-z))

    own, wrong = torch.tensor([2.0, 3.0]), torch.tensor([-1.0, 5.0])
    loss = cca_loss(own, wrong, torch.tensor([False, True]), beta=0.5, weight=4.0)
    first = -math.log(sigmoid(1.0)) - 4 * math.log(sigmoid(0.5))
    second = -2 * math.log(sigmoid(1.5))  # no negative: the first term twice, and the wrong label's ratio does not matter
    assert loss.item() == pytest.approx((first + second) / 2 / 4, rel=1e-6)


def test_at_the_reference_the_loss_is_that_of_a_coin():
    logged = CCA(CCAConfig(weight=9.0, drop_label=0.0), task()).step(batch(), stream(0, "step"), 0)
    assert logged["margin_own"] == logged["margin_wrong"] == 0  # exactly, not about
    assert logged["loss"].item() == pytest.approx(10 * math.log(2) / 9)


def test_rows_whose_neighbour_has_their_label_have_no_negative():
    same = Batch(batch().x, torch.ones(12, dtype=torch.int64))
    logged = CCA(CCAConfig(weight=9.0, drop_label=0.0), task()).step(same, stream(0, "step"), 0)
    assert logged["loss"].item() == pytest.approx(2 * math.log(2) / 9)


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
    assert logged["loss"].item() == pytest.approx((2 * share + 10 * (1 - share)) * math.log(2) / 9)


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


def ratios(n=6):
    return torch.randn(2, n, generator=stream(0, "ratios"), dtype=torch.float64).unbind()


@pytest.mark.parametrize("weight", [0.5, 1.0, 30.0])
def test_the_gradient_is_that_of_finite_differences(weight):
    own, wrong = (half.requires_grad_() for half in ratios())
    positive = torch.arange(6) % 2 == 0
    assert torch.autograd.gradcheck(lambda a, b: cca_loss(a, b, positive, beta=0.7, weight=weight), (own, wrong))


@pytest.mark.parametrize(("weight", "share"), [(0.5, 2.0), (1.0, 2.0), (4.0, 0.5), (1000.0, 0.002)])
def test_a_row_without_a_negative_weighs_two_over_the_larger_of_lambda_and_one(weight, share):
    own, wrong = ratios()
    every = torch.ones(6, dtype=torch.bool)
    loss = cca_loss(own, wrong, every, beta=1.0, weight=weight)
    torch.testing.assert_close(loss, -share * torch.nn.functional.logsigmoid(own).mean())


@pytest.mark.parametrize("weight", [0.5, 1.0, 50.0])
def test_the_loss_is_that_of_both_passes_of_the_published_trainer(weight):
    """Its trainer sends 2B rows through the network, own labels first, and knows of each row only whether its label is right."""
    own, wrong = ratios(3)
    positive = torch.tensor([True, False, False])
    second_pass = torch.where(positive, own, wrong)  # the label of a row without a negative is the same in both passes
    ratio, is_right = torch.cat([own, second_pass]), torch.cat([torch.ones(3, dtype=torch.bool), positive])
    log_s = torch.nn.functional.logsigmoid
    rows = torch.where(is_right, -log_s(0.02 * ratio), -weight * log_s(-0.02 * ratio))
    expected = rows.sum() / 3 / max(weight, 1.0)
    torch.testing.assert_close(cca_loss(own, wrong, positive, beta=0.02, weight=weight), expected)


@pytest.mark.parametrize("weight", [1.0, 4.0])
def test_the_best_ratio_is_the_likelihood_of_the_label_over_that_of_a_random_one(weight):
    """The optimum without constraints is r = log(p(x | c) / (lambda p(x))) / beta: what guidance adds to the logits."""
    joint = torch.tensor([[6.0, 2.0], [1.0, 7.0]], dtype=torch.float64)  # counts of (image, label) of 16 examples
    image, label = joint.sum(1, keepdim=True), joint.sum(0, keepdim=True)
    best = ((joint * 16) / (weight * image * label)).log().requires_grad_()
    own = torch.repeat_interleave(best.flatten(), (16 * joint).long().flatten())
    wrong = torch.repeat_interleave(best.flatten(), (image * label).long().flatten())
    loss = cca_loss(own, wrong, torch.zeros(len(own), dtype=torch.bool), beta=1.0, weight=weight)
    (slope,) = torch.autograd.grad(loss, best)
    torch.testing.assert_close(slope, torch.zeros(2, 2, dtype=torch.float64), rtol=0, atol=1e-12)


def test_the_reference_stays_the_base_while_the_model_moves():
    made = task(3)
    method = CCA(CCAConfig(beta=1.0, optimizer={"lr": 1e-2}), made)
    before = {name: value.clone() for name, value in method.reference.state_dict().items()}
    for index in range(3):
        method.step(batch(), stream(0, "step", index), index)
    assert all(torch.equal(value, before[name]) for name, value in method.reference.state_dict().items())
    assert (made.model.head.weight != method.reference.head.weight).any()
    assert not any(parameter.requires_grad for parameter in method.reference.parameters())


def test_margins_are_means_over_the_rows_with_a_negative():
    made = task()
    method = CCA(CCAConfig(drop_label=0.4), made)
    with torch.no_grad():
        made.model.head.bias += torch.randn(made.model.head.bias.shape, generator=stream(0, "move"))
    dropped = torch.rand(12, generator=stream(0, "step")) < 0.4
    data = batch()
    with torch.no_grad():
        own, wrong = (
            made.model.log_likelihood(data.x, labels, None) - method.reference.log_likelihood(data.x, labels, None)
            for labels in (data.labels, data.labels.roll(1))
        )
    logged = method.step(data, stream(0, "step"), 0)
    assert 0 < dropped.sum() < 12
    torch.testing.assert_close(logged["margin_own"], own[~dropped].mean())
    torch.testing.assert_close(logged["margin_wrong"], wrong[~dropped].mean())
    torch.testing.assert_close(logged["accuracy"].double(), (own > wrong)[~dropped].double().mean())


def test_a_masked_model_scores_both_labels_at_one_mask():
    component = registry().get(Model, "maskgit", where="test")
    spec = DataSpec((1, 2, 2), classes=3, preview="images")
    model = build(component, component.config.model_validate({"input_size": 2, "tokenizer": {"ch_mult": (1,)}}), spec)
    method, draws = CCA(CCAConfig(weight=9.0, drop_label=0.0), InMemoryTask(model, spec, no_sampler, steps=1, batch=12)), []

    def recording(compute):
        return lambda x, labels, draw: draws.append(draw) or compute(x, labels, draw)

    for network in (model, method.reference):
        network.log_likelihood = recording(network.log_likelihood)
    logged = method.step(batch(), stream(0, "step"), 0)
    assert len(draws) == 4  # two networks, two labels
    assert all(draw is draws[0] for draw in draws)
    assert logged["margin_own"] == logged["margin_wrong"] == 0


def published_step(method, data, generator):
    """Take the step as it was before micro-batches: both ratios of the whole batch, and one update."""
    own_labels, wrong_labels = data.labels, data.labels.roll(1)
    dropped = torch.rand(len(data), generator=generator) < method.config.drop_label
    positive = dropped | (wrong_labels == own_labels)
    own_labels = own_labels.where(~dropped, method.task.model.null_label)
    draw = method.task.model.draw(data.x, generator)
    own, wrong = (method._ratio(data, labels, draw) for labels in (own_labels, wrong_labels))
    loss = cca_loss(own, wrong, positive, beta=method.config.beta, weight=method.config.weight)
    method.optimizer.update(loss)
    return loss.detach()


def moved_task(component="var", micro_batch=None, steps=3):
    """A task whose model is away from the reference that a method takes, so that ratios are not 0."""
    tiny: dict[str, dict[str, object]] = {
        "var": {"depth": 1, "embed_dim": 16, "num_heads": 2, "patch_nums": (1, 2)},
        "maskgit": {"input_size": 2},
    }
    model = registry().get(Model, component, where="test")
    config = model.config.model_validate({**tiny[component], "tokenizer": {"ch_mult": (1,)}})
    spec = DataSpec((1, 2, 2), classes=3, preview="images")
    made = InMemoryTask(build(model, config, spec), spec, no_sampler, steps=steps, batch=12, micro_batch=micro_batch)
    method = CCA(CCAConfig(beta=1.0, weight=3.0, drop_label=0.3, optimizer={"name": "sgd", "lr": 0.1}), made)
    generator = stream(0, "move")
    with torch.no_grad():
        for parameter in made.model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return made, method


@pytest.mark.parametrize("component", ["var", "maskgit"])
def test_without_micro_batches_a_step_is_what_it_was_bit_for_bit(component):
    (task, method), (other, before) = moved_task(component), moved_task(component)
    for index in range(3):
        logged = method.step(batch(), stream(0, "step", index), index)
        assert torch.equal(logged["loss"], published_step(before, batch(), stream(0, "step", index)))
    for weight, expected in zip(task.model.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(weight, expected)


@pytest.mark.parametrize("component", ["var", "maskgit"])
@pytest.mark.parametrize("micro_batch", [1, 4, 5])
def test_micro_batches_change_neither_the_logs_nor_the_gradient(component, micro_batch):
    (whole, method), (cut, in_parts) = moved_task(component), moved_task(component, micro_batch)
    logs = [each.step(batch(), stream(0, "step"), 0) for each in (method, in_parts)]
    for name, value in logs[0].items():
        torch.testing.assert_close(logs[1][name], value, rtol=1e-4, atol=1e-5)
    for a, b in zip(whole.model.parameters(), cut.model.parameters(), strict=True):
        assert (a.grad is None) == (b.grad is None)
        if a.grad is not None:
            torch.testing.assert_close(b.grad, a.grad, rtol=1e-4, atol=1e-5)


def test_a_micro_batch_is_what_goes_through_the_networks_at_once():
    made, method = moved_task(micro_batch=5)
    sizes, compute = [], made.model.log_likelihood
    made.model.log_likelihood = lambda x, labels, draw: sizes.append(len(x)) or compute(x, labels, draw)
    method.step(batch(), stream(0, "step"), 0)
    assert sizes == [5, 5, 5, 5, 2, 2]
    assert registry().get(Method, "cca", where="test").accumulates
