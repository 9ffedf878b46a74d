"""Conformance of models: a model has the capabilities that it declares, and they keep the contract.

A plugin's own test is one line: `check_model(component)`, or `check_model(component, config=…, spec=…)` for a model
that cannot be built small from its defaults.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial

import torch
from safetensors.torch import load, save
from torch import nn

from harness.capabilities import PROTOCOLS, Trains, WorksInLatents
from harness.components import Model
from harness.config import Config
from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.sampling import latents
from harness.streams import stream
from harness.testing import capabilities, token_capabilities
from harness.testing.augmentation import check_takes_augmentation
from harness.testing.checks import Checks, run_all
from harness.testing.configs import check_capabilities_exist
from harness.testing.expect import expect, expect_offers
from harness.testing.probes import examples
from harness.training.state_differences import difference

SPECS = (
    DataSpec((2,)),
    DataSpec((1, 8, 8), classes=4, preview="images"),
    DataSpec((1, 16, 16), classes=4, preview="images"),
    DataSpec((3, 32, 32), classes=4, preview="images"),
)
"""The data that a model is tried on where the caller names none: the first of these that the model can be built for."""

CHECKS: Mapping[str, Callable[[nn.Module, DataSpec], None]] = {
    "Trains": capabilities.check_trains,
    "TrainsInParts": capabilities.check_trains_in_parts,
    "TakesAugmentation": check_takes_augmentation,
    "Likelihood": capabilities.check_likelihood,
    "WeightedBound": capabilities.check_weighted_bound,
    "Transitions": capabilities.check_transitions,
    "Denoises": capabilities.check_denoises,
    "NoiseChain": capabilities.check_noise_chain,
    "NullLabel": capabilities.check_null_label,
    "Tokens": token_capabilities.check_tokens,
    "TakesTokens": token_capabilities.check_takes_tokens,
    "TrainsTokenizer": token_capabilities.check_trains_tokenizer,
    "NextScale": token_capabilities.check_next_scale,
    "MaskedTokens": token_capabilities.check_masked_tokens,
}
"""The check of each capability, called with the model and the spec of what its network works on."""


def check_model(component: Model, *, config: Config | None = None, spec: DataSpec | None = None) -> None:
    """Run all checks of this module, and that of each capability which the component declares.

    Args:
        config: settings to check with; the component's defaults if absent.
        spec: data that the model can be built for; the first fitting one of SPECS if absent.
    """
    run_all(model_checks(component, config=config, spec=spec))


def model_checks(component: Model, *, config: Config | None = None, spec: DataSpec | None = None) -> Checks:
    """Yield the checks of `check_model`, which has the same arguments."""
    config = config or component.config()
    spec = spec or buildable_spec(component, config)
    yield partial(check_names_are_capabilities, component)
    yield partial(check_building_repeats, component, config, spec)
    yield partial(check_weights_survive_a_file, component, config, spec)
    yield partial(check_training_leaves_all_state_in_the_weights, component, config, spec)
    yield partial(check_dropping_is_said, component, config, spec)
    model = build(component, config, spec)
    if isinstance(model, WorksInLatents):
        yield partial(capabilities.check_works_in_latents, model, spec)
    for name in sorted(component.provides & PROTOCOLS.keys()):
        yield partial(check_capability_is_offered, component, model, name)
        if name == "Transitions" and spec.classes:  # a chain need not take labels, and is then tried without
            unlabelled = dataclasses.replace(spec, classes=0)
            other = build(component, config, unlabelled)
            yield partial(CHECKS[name], other, latents.network_spec(other, unlabelled))
        elif name in CHECKS:
            yield partial(CHECKS[name], model, latents.network_spec(model, spec))


def check_capability_is_offered(component: Model, model: nn.Module, name: str) -> None:
    """Check that the network has every member of a capability which the component declares."""
    expect_offers(model, PROTOCOLS[name], f"{component.name} declares {name}, but its module")


def buildable_spec(component: Model, config: Config) -> DataSpec:
    """Return the first of SPECS that the model can be built for. A model refuses data with a UserError."""
    reasons = []
    for spec in SPECS:
        try:
            build(component, config, spec)
        except UserError as error:
            reasons.append(f"{spec.shape}: {error}")
        else:
            return spec
    raise AssertionError(f"{component.name} cannot be built for any of the usual shapes: {'; '.join(reasons)}")


def build(component: Model, config: Config, spec: DataSpec, seed: int = 0) -> nn.Module:
    """Build the network with weights drawn from `seed`, in eval mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = component.create(config, spec)
    return model.eval()


def check_names_are_capabilities(component: Model) -> None:
    """Check that `provides` names capabilities that exist."""
    check_capabilities_exist(component, component.provides, "provides")


def check_building_repeats(component: Model, config: Config, spec: DataSpec) -> None:
    """Check that the same seed gives the same weights: the harness seeds torch before it builds a model."""
    first, second = (build(component, config, spec).state_dict() for _ in range(2))
    expect(list(first) == list(second), f"{component.name}: the state dict's names differ between two builds")
    moved = [name for name in first if not torch.equal(first[name], second[name])]
    expect(not moved, f"{component.name}: the same seed gives other weights: {', '.join(moved[:3])}")


def check_weights_survive_a_file(component: Model, config: Config, spec: DataSpec) -> None:
    """Check that weights come back from a safetensors file bit for bit, and that the model then computes the same."""
    model, other = build(component, config, spec), build(component, config, spec, seed=1)
    other.load_state_dict(load(save({name: value.contiguous() for name, value in model.state_dict().items()})))
    for name, value in model.state_dict().items():
        is_equal = torch.equal(value, other.state_dict()[name])
        expect(is_equal, f"{component.name}: {name} changes on its way through a file")
    if isinstance(model, Trains) and isinstance(other, Trains):
        x, labels = examples(latents.network_spec(model, spec))
        loss, again = (network.training_loss(x, labels, stream(1, "loss")) for network in (model, other))
        expect(torch.equal(loss, again), f"{component.name}: the state dict does not hold all that the loss depends on")


def check_training_leaves_all_state_in_the_weights(component: Model, config: Config, spec: DataSpec) -> None:
    """Check that a trained network is no more than its state dict: a checkpoint holds nothing else of it.

    The network takes two steps on its training loss. A new network with the trained weights must then have the same buffers, and
    give the same loss. A network without the capability Trains is not checked.
    """
    model = build(component, config, spec)
    if not isinstance(model, Trains):
        return
    x, labels = examples(latents.network_spec(model, spec))
    weights = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for step in range(2):
        gradients = torch.autograd.grad(model.training_loss(x, labels, stream(step, "step")).mean(), weights, allow_unused=True)
        with torch.no_grad():
            for weight, gradient in zip(weights, gradients, strict=True):
                weight.sub_(0.0 if gradient is None else 1e-3 * gradient)
    other = build(component, config, spec, seed=1)
    other.load_state_dict(model.state_dict())
    moved = difference(dict(model.named_buffers()), dict(other.named_buffers()))
    expect(not moved, f"{component.name}: training changes buffers that the state dict does not hold: {', '.join(moved[:3])}")
    loss, again = (expect_offers(network, Trains, "it").training_loss(x, labels, stream(2, "step")) for network in (model, other))
    expect(torch.equal(loss, again), f"{component.name}: a trained network has state beside its state dict, which a resume loses")


def check_dropping_is_said(component: Model, config: Config, spec: DataSpec) -> None:
    """Check that `drops` says whether the loss is another one in train mode: else pretraining would leave dropout out.

    EDM2's forced normalisation moves the loss by rounding.
    """
    model = build(component, config, spec)
    if not isinstance(model, Trains) or component.drops_parts(config):
        return
    x, labels = examples(latents.network_spec(model, spec))
    calm, training = (model.train(mode).training_loss(x, labels, stream(1, "loss")) for mode in (False, True))
    is_equal = torch.allclose(calm, training, rtol=1e-4, atol=1e-6)
    expect(is_equal, f"{component.name}: the loss is another one in train mode, and `drops` of the component does not say so")
