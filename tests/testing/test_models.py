"""The checks of models find each broken promise about building and weights; those of capabilities have files of their own."""

import dataclasses

import pytest
import torch
from torch import nn

from harness.capabilities import PROTOCOLS
from harness.components import Model
from harness.config import NoConfig
from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.testing import models
from harness.testing.models import check_model

SPEC = DataSpec((2,))


class Layer(nn.Module):
    """One layer, whose loss is the size of what it gives."""

    def __init__(self, config, spec):
        super().__init__()
        if spec.shape != (2,):
            raise UserError(f"model layer: needs points, not data of shape {spec.shape}")
        self.layer = nn.Linear(2, 2)

    def forward(self, x):
        return self.layer(x)

    def training_loss(self, x, labels, generator):
        noise = torch.randn(x.shape, generator=generator)
        return self(x + noise).square().sum(1)


@pytest.fixture
def layer(target):
    return Model("layer", build=target(Layer), summary="a layer", provides=frozenset({"Trains"}), sampler="none")


def of(component, target, cls):
    return dataclasses.replace(component, build=target(cls))


def test_a_model_that_keeps_the_rules_passes(layer):
    check_model(layer)


def test_every_capability_that_can_be_declared_has_a_check():
    assert models.CHECKS.keys() == PROTOCOLS.keys()


def test_capabilities_that_do_not_exist_are_found(layer, failure):
    message = failure(models.check_names_are_capabilities, dataclasses.replace(layer, provides=frozenset({"Sings"})))
    assert message.startswith("layer: provides names no capability with Sings; there are ")


def test_a_declared_capability_that_is_not_there_is_found_with_what_it_lacks(layer, failure):
    message = failure(check_model, dataclasses.replace(layer, provides=frozenset({"Likelihood"})))
    assert message == (
        "layer declares Likelihood, but its module is a Layer without draw, log_likelihood; "
        "it must be a harness.capabilities.Likelihood"
    )


def test_what_is_no_module_is_the_components_message(layer, target):
    with pytest.raises(UserError, match=r"it must give a torch\.nn\.modules\.module\.Module"):
        models.build(of(layer, target, lambda *_: 3), NoConfig(), SPEC)


def test_building_leaves_global_randomness_alone_and_gives_eval_mode(layer):
    before = torch.get_rng_state()
    assert not models.build(layer, NoConfig(), SPEC).training
    assert torch.equal(before, torch.get_rng_state())
    first, second = models.build(layer, NoConfig(), SPEC), models.build(layer, NoConfig(), SPEC, seed=1)
    assert (first.layer.weight != second.layer.weight).any()


class Grows(Layer):
    made = 0

    def __init__(self, config, spec):
        super().__init__(config, spec)
        Grows.made += 1
        self.register_buffer(f"number_{Grows.made}", torch.zeros(1))


class Counts(Layer):
    made = 0

    def __init__(self, config, spec):
        super().__init__(config, spec)
        Counts.made += 1
        self.layer.bias.data.fill_(Counts.made)


@pytest.mark.parametrize(("cls", "message"), [
    (Grows, "layer: the state dict's names differ between two builds"),
    (Counts, "layer: the same seed gives other weights: layer.bias"),
])  # fmt: skip
def test_builds_that_do_not_repeat_are_found(layer, target, failure, cls, message):
    models.check_building_repeats(layer, NoConfig(), SPEC)
    assert failure(models.check_building_repeats, of(layer, target, cls), NoConfig(), SPEC) == message


class Rounds(Layer):
    def load_state_dict(self, state, *arguments):
        super().load_state_dict({name: value.half().float() for name, value in state.items()}, *arguments)


class HidesAScale(Layer):
    def __init__(self, config, spec):
        super().__init__(config, spec)
        self.scale = torch.randn(())  # neither a parameter nor a buffer

    def training_loss(self, x, labels, generator):
        return self.scale * super().training_loss(x, labels, generator)


@pytest.mark.parametrize(("cls", "message"), [
    (Rounds, "layer: layer.weight changes on its way through a file"),
    (HidesAScale, "layer: the state dict does not hold all that the loss depends on"),
])  # fmt: skip
def test_weights_that_a_file_loses_are_found(layer, target, failure, cls, message):
    models.check_weights_survive_a_file(layer, NoConfig(), SPEC)
    assert failure(models.check_weights_survive_a_file, of(layer, target, cls), NoConfig(), SPEC) == message


class CountsInABuffer(Layer):
    """Counts its steps in a buffer that the state dict leaves out."""

    def __init__(self, config, spec):
        super().__init__(config, spec)
        self.register_buffer("calls", torch.tensor(0), persistent=False)

    def training_loss(self, x, labels, generator):
        self.calls.add_(1)
        return super().training_loss(x, labels, generator)


class CountsBeside(Layer):
    """Weighs its loss by a count that is no tensor."""

    calls = 0

    def training_loss(self, x, labels, generator):
        self.calls += 1
        return super().training_loss(x, labels, generator) * self.calls


@pytest.mark.parametrize(("cls", "message"), [
    (CountsInABuffer, "layer: training changes buffers that the state dict does not hold: calls"),
    (CountsBeside, "layer: a trained network has state beside its state dict, which a resume loses"),
])  # fmt: skip
def test_state_that_training_leaves_beside_the_weights_is_found(layer, target, failure, cls, message):
    models.check_training_leaves_all_state_in_the_weights(layer, NoConfig(), SPEC)
    assert failure(models.check_training_leaves_all_state_in_the_weights, of(layer, target, cls), NoConfig(), SPEC) == message


class Drops(Layer):
    """Has dropout."""

    def forward(self, x):
        with torch.random.fork_rng(devices=[]):
            return nn.functional.dropout(super().forward(x), 0.5, self.training)


def test_dropout_that_the_component_does_not_declare_is_found(layer, target, failure):
    dropping = of(layer, target, Drops)
    message = failure(models.check_dropping_is_said, dropping, NoConfig(), SPEC)
    assert message == "layer: the loss is another one in train mode, and `drops` of the component does not say so"
    models.check_dropping_is_said(dataclasses.replace(dropping, drops=lambda _: True), NoConfig(), SPEC)
    models.check_dropping_is_said(layer, NoConfig(), SPEC)


def test_the_first_usual_shape_that_fits_is_taken_and_all_reasons_are_named_when_none_does(layer, target, failure):
    assert models.buildable_spec(layer, NoConfig()) == SPEC

    def for_large_images(config, spec):
        if len(spec.shape) != 3 or spec.shape[1] < 32:
            raise UserError("too small")
        return nn.Identity()

    assert models.buildable_spec(of(layer, target, for_large_images), NoConfig()).shape == (3, 32, 32)

    def for_sound(config, spec):
        raise UserError("needs sound")

    message = failure(models.buildable_spec, of(layer, target, for_sound), NoConfig())
    assert message.startswith("layer cannot be built for any of the usual shapes: (2,): needs sound; (1, 8, 8): needs sound; ")


class LabelledChain(Layer):
    """Transitions on data without classes only."""

    transitions = 2

    def __init__(self, config, spec):
        super().__init__(config, DataSpec((2,)))
        self.takes_labels = spec.classes > 0

    def transition(self, x, step):
        if self.takes_labels:
            raise UserError("the chain has no labels")
        from harness.capabilities import Gaussian

        return Gaussian(self(x), torch.ones(()) if isinstance(step, int) else torch.ones(len(x), 1))


def test_a_chain_is_tried_without_labels(layer, target):
    component = dataclasses.replace(of(layer, target, LabelledChain), provides=frozenset({"Trains", "Transitions"}))
    check_model(component, spec=DataSpec((2,), classes=3))
