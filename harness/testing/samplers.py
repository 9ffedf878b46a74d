"""Conformance of samplers: a sample depends on its own stream and the model, and on nothing else."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from harness.capabilities import PROTOCOLS
from harness.components import Sampler
from harness.config import Config
from harness.interfaces import Batch, DataSpec, GuidedSampler, PreparedSampler, SampleFunction
from harness.streams import SampleStreams, stream
from harness.testing.expect import expect

SAMPLES = 10

# Noise and labels agree bit for bit at any batch; kernels add in another order at another batch, and a chain of steps
# carries that on.
ROUNDING = 1e-4


def check_sampler(component: Sampler, model: nn.Module, spec: DataSpec, *, config: Config | None = None) -> None:
    """All checks of this module, with a model that provides what the sampler needs."""
    check_needs_are_capabilities(component)
    sample = build(component, config or component.config(**component.smoke))
    prepare(sample, model, spec)
    check_shape_and_range(sample, model, spec)
    check_draws_repeat(sample, model, spec)
    check_batch_does_not_matter(sample, model, spec)
    check_other_seeds_differ(sample, model, spec)
    check_model_is_left_alone(sample, model, spec)


def build(component: Sampler, config: Config) -> SampleFunction:
    """The sampler's function."""
    function = component.load()(config)
    expect(isinstance(function, SampleFunction), f"{component.build} gave {function!r}, which cannot be called")
    return cast(SampleFunction, function)


def prepare(sample: SampleFunction, model: nn.Module, spec: DataSpec) -> None:
    """What the harness does before the first draw: other bases (the model itself stands in) and preparation, twice."""
    if isinstance(sample, GuidedSampler):
        other = copy.deepcopy(model)
        with torch.no_grad():
            for parameter in other.parameters():
                parameter.mul_(0.9)
        sample.take_networks(_Any(other))
    if not isinstance(sample, PreparedSampler) or not sample.needs_preparation:
        return
    n = 40
    x = 0.5 * torch.randn(n, *spec.shape, generator=stream(0, "conformance"))
    train = Batch(x, torch.arange(n) % spec.classes if spec.classes else None)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    made, again = (sample.prepare(model, spec, train, stream(1, "conformance")) for _ in range(2))
    same = made.keys() == again.keys() and all(torch.equal(made[name], again[name]) for name in made)
    expect(same, "preparing does not repeat with its generator")
    expect(all(torch.equal(value, before[name]) for name, value in model.state_dict().items()), "preparing changes the model")
    sample.use({name: tensor.detach().cpu() for name, tensor in made.items()})


class _Any(dict[str, nn.Module]):
    """The same network under any name."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__(network=network)
        self.network = network

    def __missing__(self, name: str) -> nn.Module:
        return self.network


def draw(
    sample: SampleFunction, model: nn.Module, spec: DataSpec, indices: Sequence[int] = range(SAMPLES), seed: int = 5
) -> Tensor:
    """Samples with these numbers, labels balanced over the classes."""
    labels = torch.tensor([index % spec.classes for index in indices]) if spec.classes else None
    return sample(model, spec, SampleStreams(seed, "conformance", indices), labels)


def check_needs_are_capabilities(component: Sampler) -> None:
    """A capability that does not exist is one that no model provides."""
    strange = sorted(component.needs - set(PROTOCOLS))
    expect(not strange, f"{component.name} needs {', '.join(strange)}; there are {', '.join(sorted(PROTOCOLS))}")


def check_shape_and_range(sample: SampleFunction, model: nn.Module, spec: DataSpec) -> None:
    """One finite sample a stream, without a graph behind it."""
    x = draw(sample, model, spec)
    expect(x.shape == (SAMPLES, *spec.shape), f"gave {tuple(x.shape)}, not {(SAMPLES, *spec.shape)}")
    expect(x.dtype == torch.float32, f"gave {x.dtype}, not float32")
    expect(x.isfinite().all(), "samples of a model with random weights are not finite")
    expect(not x.requires_grad, "samples carry gradients; sample under torch.no_grad()")


def check_draws_repeat(sample: SampleFunction, model: nn.Module, spec: DataSpec) -> None:
    """The same streams give the same samples, whatever the global randomness is, which stays as it was."""
    first = draw(sample, model, spec)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(12345)
        state = torch.get_rng_state()
        second = draw(sample, model, spec)
        expect(torch.equal(state, torch.get_rng_state()), "draws from global randomness instead of its streams")
    expect(torch.equal(first, second), "the same streams give other samples")


def check_batch_does_not_matter(sample: SampleFunction, model: nn.Module, spec: DataSpec) -> None:
    """Sample i is the same in any batch, up to rounding."""
    whole = draw(sample, model, spec)
    parts = torch.cat([draw(sample, model, spec, range(i, min(i + 3, SAMPLES))) for i in range(0, SAMPLES, 3)])
    difference = float((whole - parts).abs().max())
    bound = ROUNDING * max(1.0, float(whole.abs().max()))
    expect(difference <= bound, f"batches of 3 and of {SAMPLES} differ by {difference:.2g}: samples share randomness")


def check_other_seeds_differ(sample: SampleFunction, model: nn.Module, spec: DataSpec) -> None:
    """Samples of one draw differ from each other and from those of another seed."""
    x, other = draw(sample, model, spec), draw(sample, model, spec, seed=6)
    expect(not (x == other).flatten(1).all(1).any(), "another seed gives the same sample")
    expect(len(x.flatten(1).unique(dim=0)) == SAMPLES, "two streams give the same sample")


def check_model_is_left_alone(sample: SampleFunction, model: nn.Module, spec: DataSpec) -> None:
    """Sampling changes neither weights nor mode."""
    before, training = {name: value.clone() for name, value in model.state_dict().items()}, model.training
    draw(sample, model, spec)
    expect(model.training == training, "sampling changes the model's mode")
    moved = [name for name, value in model.state_dict().items() if not torch.equal(value, before[name])]
    expect(not moved, f"sampling changes the weights: {', '.join(moved[:3])}")
