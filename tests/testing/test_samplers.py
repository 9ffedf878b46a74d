"""The checks of samplers find each broken promise in a sampler that otherwise keeps all of them."""

import dataclasses

import pytest
import torch
from torch import nn

from harness.components import Sampler
from harness.config import NoConfig
from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.testing import samplers

SPEC = DataSpec((3,), classes=2)


@pytest.fixture
def model():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Linear(3, 3).eval()


@torch.no_grad()
def honest(model, spec, streams, labels):
    """One network call on noise, and the label."""
    x = model(streams.normal(*spec.shape))
    return x if labels is None else x + labels[:, None]


def changed(change):
    """The honest sampler, with its samples changed."""
    return lambda model, spec, streams, labels: change(honest(model, spec, streams, labels))


@pytest.fixture
def component(target):
    return Sampler("noise", build=target(lambda _: honest), summary="noise", needs=frozenset({"Trains"}))


MUST = "it must give a torch.float32 tensor of shape (10, 3)"


@pytest.mark.parametrize("spec", [SPEC, DataSpec((3,))])
def test_a_sampler_that_keeps_the_rules_passes(component, model, spec):
    samplers.check_sampler(component, model, spec)


def test_needs_that_are_no_capabilities_are_found(component, failure):
    message = failure(samplers.check_needs_are_capabilities, dataclasses.replace(component, needs=frozenset({"Dreams"})))
    assert message.startswith("noise: needs names no capability with Dreams; there are ")


@pytest.mark.parametrize("text", ["", "  ", "two\nlines", None, 3])
def test_a_formula_that_records_cannot_keep_is_found(component, failure, text):
    samplers.check_formula(component, NoConfig())
    samplers.check_formula(dataclasses.replace(component, formula=lambda _: "D + w (D - D_g)"), NoConfig())
    message = failure(samplers.check_formula, dataclasses.replace(component, formula=lambda _: text), NoConfig())
    assert message == f"noise: formula gave {text!r}; records keep one line of text, not empty"


def test_a_check_that_refuses_the_settings_or_needs_values_of_the_network_is_found(component, model, failure, target):
    def refuses(config, usage):
        raise UserError("steps: 5 are more than the chain has")

    samplers.check_settings_fit(component, NoConfig(), model)
    shapes = dataclasses.replace(component, check=target(lambda _config, usage: usage.network.weight.shape))
    samplers.check_settings_fit(shapes, NoConfig(), model)
    values = dataclasses.replace(component, check=target(lambda _config, usage: usage.network.weight.tolist()))
    message = failure(samplers.check_settings_fit, values, NoConfig(), model)
    assert message.startswith("noise: check fails on a network without values, on which the harness calls it: ")
    with pytest.raises(UserError, match="more than the chain has"):
        samplers.check_settings_fit(dataclasses.replace(component, check=target(refuses)), NoConfig(), model)


@pytest.mark.parametrize(("change", "message"), [
    (lambda x: x[1:], f"gave a torch.float32 tensor of shape (9, 3); {MUST}"),
    (lambda x: x[:, :2], f"gave a torch.float32 tensor of shape (10, 2); {MUST}"),
    (torch.Tensor.double, f"gave a torch.float64 tensor of shape (10, 3); {MUST}"),
    (lambda _: None, f"gave None; {MUST}"),
    (lambda x: x / 0, "samples of a model with random weights are not finite"),
    (lambda x: x.requires_grad_(), "samples carry gradients; sample under torch.no_grad()"),
])  # fmt: skip
def test_samples_of_another_form_are_found(model, failure, change, message):
    assert failure(samplers.check_shape_and_range, changed(change), model, SPEC) == message


def test_global_randomness_is_found_whether_it_changes_the_samples_or_not(model, failure):
    samplers.check_draws_repeat(honest, model, SPEC)
    message = "draws from global randomness instead of its streams"
    assert failure(samplers.check_draws_repeat, changed(lambda x: x + torch.rand(())), model, SPEC) == message
    assert failure(samplers.check_draws_repeat, changed(lambda x: x + 0 * torch.rand(())), model, SPEC) == message


def test_samples_that_change_from_call_to_call_are_found(model, failure):
    shifts = iter(range(2))
    message = failure(samplers.check_draws_repeat, changed(lambda x: x + next(shifts)), model, SPEC)
    assert message == "the same streams give other samples"


@pytest.mark.parametrize("change", [
    lambda x: x - x.mean(0),  # of the other samples
    lambda x: x + len(x),  # of the batch's size
    lambda x: x.flip(0),  # of another stream
])  # fmt: skip
def test_samples_that_depend_on_the_batch_are_found(model, failure, change):
    samplers.check_batch_does_not_matter(honest, model, SPEC)
    message = failure(samplers.check_batch_does_not_matter, changed(change), model, SPEC)
    assert message.startswith("batches of 3 and of 10 differ by ")
    assert message.endswith(": samples share randomness")


def test_samples_that_no_stream_moves_are_found(model, failure):
    samplers.check_other_seeds_differ(honest, model, SPEC)
    assert failure(samplers.check_other_seeds_differ, changed(torch.zeros_like), model, SPEC) == (
        "another seed gives the same sample"
    )
    first = changed(lambda x: x[:1].expand_as(x))
    assert failure(samplers.check_other_seeds_differ, first, model, DataSpec((3,))) == "two streams give the same sample"


def in_train_mode(model, spec, streams, labels):
    model.train()
    return honest(model, spec, streams, labels)


def drifting(model, spec, streams, labels):
    with torch.no_grad():
        model.bias += 1
    return honest(model, spec, streams, labels)


@pytest.mark.parametrize(("sampler", "message"), [
    (in_train_mode, "sampling changes the model's mode"),
    (drifting, "sampling changes the weights: bias"),
])  # fmt: skip
def test_a_sampler_that_changes_the_model_is_found(model, failure, sampler, message):
    samplers.check_model_is_left_alone(honest, model, SPEC)
    assert failure(samplers.check_model_is_left_alone, sampler, model, SPEC) == message


class AsTokens:
    """Samples are ones and zeros, which are the model's tokens too."""

    def tokens(self, model, streams, labels):
        return (streams.uniform(*SPEC.shape) > 0.5).long()

    def __call__(self, model, spec, streams, labels):
        return model.decode(self.tokens(model, streams, labels)).float()


class OtherTokens(AsTokens):
    """Gives other tokens than those of its images."""

    def tokens(self, model, streams, labels):
        return 1 - super().tokens(model, streams, labels)

    def __call__(self, model, spec, streams, labels):
        return model.decode(AsTokens.tokens(self, model, streams, labels)).float()


class ModelOfTokens(nn.Linear):
    tokens_per_image = 3

    def encode(self, x):
        return x.long()

    def decode(self, tokens):
        return tokens


def test_a_sampler_says_whether_it_gives_tokens_and_they_are_those_of_its_images(component, failure):
    model, declared = ModelOfTokens(3, 3), dataclasses.replace(component, draws_tokens=True)
    samplers.check_tokens_are_the_images(declared, AsTokens(), model, SPEC)
    samplers.check_tokens_are_the_images(component, honest, model, SPEC)
    for wrong, sampler in ((component, AsTokens()), (declared, honest)):
        message = failure(samplers.check_tokens_are_the_images, wrong, sampler, model, SPEC)
        assert message == "draws_tokens must say whether there is `tokens`"
    message = failure(samplers.check_tokens_are_the_images, declared, OtherTokens(), model, SPEC)
    assert message == "decoded tokens are not the images of the same streams"


class Guided:
    """Calls another base beside the model."""

    def __init__(self):
        self.networks = {}

    def take_networks(self, networks):
        self.networks = {"other": networks["any base of the board"]}

    def __call__(self, model, spec, streams, labels):
        x = streams.normal(*spec.shape)
        with torch.no_grad():
            return model(x) + (model(x) - self.networks["other"](x))


def test_a_guided_sampler_gets_a_changed_copy_of_the_model(model, target, component):
    guided = Guided()
    samplers.prepare(guided, model, SPEC)
    other = guided.networks["other"]
    torch.testing.assert_close(other.weight, 0.9 * model.weight)
    samplers.check_sampler(dataclasses.replace(component, build=target(lambda _: Guided())), model, SPEC)


class Prepared:
    """Needs the mean of some noised training examples."""

    needs_preparation = True

    def prepare(self, model, spec, train, generator):
        noise = torch.randn(train.x.shape, generator=generator)
        return {"mean": (train.x + noise).mean(0), "labels": torch.tensor(0 if train.labels is None else 1)}

    def use(self, prepared):
        self.mean = prepared["mean"]

    def __call__(self, model, spec, streams, labels):
        return honest(model, spec, streams, labels) + self.mean


class PreparedByChance(Prepared):
    def prepare(self, model, spec, train, generator):
        return {"mean": torch.rand(3)}


class PreparedUnderOtherNames(Prepared):
    calls = 0

    def prepare(self, model, spec, train, generator):
        self.calls += 1
        return {f"mean {self.calls}": torch.zeros(3)}


class PreparedByTraining(Prepared):
    def prepare(self, model, spec, train, generator):
        with torch.no_grad():
            model.weight.mul_(2)
        return {"mean": torch.zeros(3)}


def test_a_prepared_sampler_is_prepared_before_it_draws(model, target, component):
    sampler = Prepared()
    samplers.prepare(sampler, model, SPEC)
    assert sampler.mean.shape == (3,)
    samplers.check_sampler(dataclasses.replace(component, build=target(lambda _: Prepared())), model, SPEC)


class RemembersMore(Prepared):
    """Measures a scale too, which it does not return."""

    scale = 1.0

    def prepare(self, model, spec, train, generator):
        self.scale = float(train.x.std())
        return super().prepare(model, spec, train, generator)

    def __call__(self, model, spec, streams, labels):
        return self.scale * super().__call__(model, spec, streams, labels)


class GrowsWithUse(Prepared):
    """Remembers the largest sample of all draws, and stays within it from the second draw on."""

    largest = None

    def __call__(self, model, spec, streams, labels):
        x = super().__call__(model, spec, streams, labels)
        self.largest = self.largest or float(x.abs().max()) / 2
        return x.clamp(-self.largest, self.largest)


@pytest.mark.parametrize("broken", [RemembersMore, GrowsWithUse])
def test_what_a_sampler_remembers_beside_its_preparation_is_found(model, target, component, failure, broken):
    if broken is GrowsWithUse:  # what the first draws left decides the later ones, and a new object begins anew
        used = broken()
        prepared = samplers.prepare(used, model, SPEC)
        samplers.draw(used, model, SPEC, seed=99)
        new = dataclasses.replace(component, build=target(lambda _: broken()))
        message = failure(samplers.check_a_new_object_draws_the_same, new, NoConfig(), used, model, SPEC, prepared)
    else:
        message = failure(samplers.check_sampler, dataclasses.replace(component, build=target(lambda _: broken())), model, SPEC)
    assert message == "a new object draws other samples than one that has drawn before: what `prepare` gives must be all"


def test_a_sampler_without_need_is_not_prepared(model):
    sampler = PreparedByTraining()
    sampler.needs_preparation = False
    samplers.prepare(sampler, model, SPEC)
    assert not hasattr(sampler, "mean")


@pytest.mark.parametrize(("sampler", "message"), [
    (PreparedByChance(), "preparing does not repeat with its generator"),
    (PreparedUnderOtherNames(), "preparing does not repeat with its generator"),
    (PreparedByTraining(), "preparing changes the model"),
])  # fmt: skip
def test_preparing_that_breaks_a_promise_is_found(model, failure, sampler, message):
    assert failure(samplers.prepare, sampler, model, SPEC) == message
