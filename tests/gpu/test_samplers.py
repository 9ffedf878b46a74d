"""Every sampler draws the same samples on a card as on the CPU, but for rounding, and finite ones in each precision."""

import dataclasses

import pytest
import torch

from harness.components import Model, Sampler
from harness.inner_components import sampler_needs
from harness.plugins import registry
from harness.process.inference_precision import computing_in
from harness.sampling import drawing
from harness.streams import SampleStreams
from harness.testing.models import build, buildable_spec
from harness.testing.samplers import prepare

FAMILIES = ("ddpm-mlp", "ddpm-unet", "edm-unet", "edm2-unet", "var", "maskgit")
N = 6


def pairs():
    """Every sampler, with each family that it can sample."""
    samplers = [registry().get(Sampler, name, where="test") for name in registry().names("sampler")]
    models = [registry().get(Model, name, where="test") for name in FAMILIES]
    return [(a.name, b.name) for a in samplers for b in models if sampler_needs(a, a.config()) <= b.provides]


def parts_of(sampler, model):
    """The sampler's function, prepared, a tiny network and its spec, all on the CPU."""
    component, family = registry().get(Sampler, sampler, where="test"), registry().get(Model, model, where="test")
    spec = buildable_spec(family, family.config(**family.smoke))
    if "Transitions" in component.needs:
        spec = dataclasses.replace(spec, classes=0)
    network = build(family, family.config(**family.smoke), spec)
    function = component.create(component.config.model_validate(component.smoke))
    return component, function, network, spec


def drawn(function, network, spec, device):
    labels = torch.arange(N, device=device) % spec.classes if spec.classes else None
    with torch.no_grad():
        return function(network, spec, SampleStreams(5, "gpu", range(N), device), labels).cpu()


@pytest.mark.parametrize(("sampler", "model"), pairs())
def test_samples_are_those_of_the_cpu(sampler, model, device):
    _, function, network, spec = parts_of(sampler, model)
    kept = prepare(function, network, spec)
    expected = drawn(function, network, spec, torch.device("cpu"))
    component, other, network, spec = parts_of(sampler, model)
    network.to(device)
    if kept:
        other.use(kept)  # what was measured on the CPU
    else:
        prepare(other, network, spec)
    found = drawn(other, network, spec, device)
    if component.draws_tokens:  # a number that falls between two codes by rounding gives another one
        same = (found - expected).flatten(1).abs().amax(1) <= 1e-3
        assert same.float().mean() >= 0.5
    else:
        torch.testing.assert_close(found, expected, rtol=1e-2, atol=1e-3 * float(expected.abs().max()))
    assert drawn(other, network, spec, device).equal(found)


@pytest.mark.parametrize("precision", ["tf32", "bf16", "fp16"])
@pytest.mark.parametrize("model", FAMILIES)
def test_every_family_samples_in_each_precision(model, precision, device):
    family = registry().get(Model, model, where="test")
    _, function, network, spec = parts_of(family.sampler, model)
    network.to(device)
    options = {"n": N, "seed": 0, "purpose": "gpu", "batch": N, "device": device}
    exact = drawing.draw(function, network, spec, **options).batch.x
    rounded = drawing.draw(function, network, spec, precision=precision, **options).batch.x
    assert rounded.dtype == torch.float32
    assert rounded.isfinite().all()
    assert rounded.shape == exact.shape
    with computing_in(precision, device):
        assert torch.is_autocast_enabled(device.type) == (precision in ("bf16", "fp16"))
