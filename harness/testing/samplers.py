"""Conformance of samplers: a sample depends on its own stream and on the model, and on nothing else."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial

import torch
from torch import Tensor, nn

from harness.capabilities import TakesTokens, Tokens
from harness.components import Sampler, SamplerUsage
from harness.config import Config
from harness.errors import one_line
from harness.interfaces import Batch, DataSpec, GuidedSampler, PreparedSampler, SampleFunction, TokenSampler
from harness.sampling.drawing import samples_fault
from harness.streams import SampleStreams, stream
from harness.testing.checks import Checks, run_all
from harness.testing.configs import check_capabilities_exist
from harness.testing.expect import expect, expect_offers

Drawn = Callable[[], Tensor]
"""Gives the samples of `draw`, which several checks look at; a check that is called without it draws them."""
SAMPLES = 10
ROUNDING = 1e-4
"""Largest difference between two batch sizes, relative to the largest value: noise and labels agree bit for bit, but kernels add
in another order, and a chain of steps carries the difference on."""


def check_sampler(component: Sampler, model: nn.Module, spec: DataSpec, *, config: Config | None = None) -> None:
    """Run all checks of this module.

    Args:
        model: a network that provides what the sampler needs.
        spec: what the model generates.
        config: settings to check with; by default the component's defaults with `smoke`.
    """
    run_all(sampler_checks(component, model, spec, config=config))


def sampler_checks(component: Sampler, model: nn.Module, spec: DataSpec, *, config: Config | None = None) -> Checks:
    """Yield the checks of `check_sampler`, which has the same arguments."""
    config = config or component.config(**component.smoke)
    yield partial(check_needs_are_capabilities, component)
    yield partial(check_formula, component, config)
    yield partial(check_settings_fit, component, config, model)
    sampler = component.create(config)
    prepared = prepare(sampler, model, spec)
    drawn = cache(partial(draw, sampler, model, spec))
    yield partial(check_shape_and_range, sampler, model, spec, drawn)
    yield partial(check_tokens_are_the_images, component, sampler, model, spec)
    yield partial(check_draws_repeat, sampler, model, spec, drawn)
    yield partial(check_batch_does_not_matter, sampler, model, spec, drawn)
    yield partial(check_other_seeds_differ, sampler, model, spec, drawn)
    yield partial(check_model_is_left_alone, sampler, model, spec)
    yield partial(check_a_new_object_draws_the_same, component, config, sampler, model, spec, prepared)


def prepare(sampler: SampleFunction, model: nn.Module, spec: DataSpec) -> Mapping[str, Tensor]:
    """Do what the harness does before the first draw: give other networks, and prepare the sampler.

    A changed copy of the model stands in for the other networks. Returns: what the harness keeps of the preparation; empty for a
    sampler that needs none. Raises: AssertionError when preparing does not repeat with its generator, changes the model, or gives
    anything but tensors.
    """
    _give_networks(sampler, model)
    if not isinstance(sampler, PreparedSampler) or not sampler.needs_preparation:
        return {}
    n = 40
    x = 0.5 * torch.randn(n, *spec.shape, generator=stream(0, "conformance"))
    train = Batch(x, torch.arange(n) % spec.classes if spec.classes else None)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    first, second = (sampler.prepare(model, spec, train, stream(1, "conformance")) for _ in range(2))
    is_kept = isinstance(first, Mapping) and all(isinstance(tensor, Tensor) for tensor in first.values())
    expect(is_kept, f"prepare gave a {type(first).__name__} that is no mapping of tensors")
    repeats = first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
    expect(repeats, "preparing does not repeat with its generator")
    expect(all(torch.equal(value, before[name]) for name, value in model.state_dict().items()), "preparing changes the model")
    prepared = {name: tensor.detach().cpu() for name, tensor in first.items()}
    sampler.use(prepared)
    return prepared


def _give_networks(sampler: SampleFunction, model: nn.Module) -> None:
    """Give a guided sampler a changed copy of the model in the place of other networks."""
    if isinstance(sampler, GuidedSampler):
        other = copy.deepcopy(model)
        with torch.no_grad():
            for parameter in other.parameters():
                parameter.mul_(0.9)
        sampler.take_networks(UnderAnyName(other))


class UnderAnyName(dict[str, nn.Module]):
    """A mapping that gives the same network under any name."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__(network=network)
        self.network = network

    def __missing__(self, name: str) -> nn.Module:
        return self.network


def draw(
    sampler: SampleFunction, model: nn.Module, spec: DataSpec, indices: Sequence[int] = range(SAMPLES), seed: int = 5
) -> Tensor:
    """Draw the samples with these numbers, with labels balanced over the classes."""
    labels = torch.tensor([index % spec.classes for index in indices]) if spec.classes else None
    return sampler(model, spec, SampleStreams(seed, "conformance", indices), labels)


def _drawn(sampler: SampleFunction, model: nn.Module, spec: DataSpec, drawn: Drawn | None) -> Tensor:
    return draw(sampler, model, spec) if drawn is None else drawn()


def check_needs_are_capabilities(component: Sampler) -> None:
    """Check that `needs` names capabilities that exist."""
    check_capabilities_exist(component, component.needs, "needs")


def check_formula(component: Sampler, config: Config) -> None:
    """Check that `formula`, where there is one, gives a line of text for the records."""
    if component.formula is not None:
        text = component.formula(config)
        is_line = isinstance(text, str) and text.strip() and "\n" not in text
        expect(is_line, f"{component.name}: formula gave {text!r}; records keep one line of text, not empty")


def check_settings_fit(component: Sampler, config: Config, model: nn.Module) -> None:
    """Check that `check` takes the settings that are tested, and that it needs no values of the network's tensors."""
    component.check_usage(config, SamplerUsage(model))
    try:
        component.check_usage(config, SamplerUsage(copy.deepcopy(model).to("meta")))
    except Exception as error:  # whatever a plugin's code raises
        raise AssertionError(
            f"{component.name}: check fails on a network without values, on which the harness calls it: {one_line(str(error))}"
        ) from error


def check_shape_and_range(sampler: SampleFunction, model: nn.Module, spec: DataSpec, drawn: Drawn | None = None) -> None:
    """Check that there is one finite sample for each stream, float32, without gradients."""
    x = _drawn(sampler, model, spec, drawn)
    fault = samples_fault(x, (SAMPLES, *spec.shape))
    expect(fault is None, str(fault))
    expect(x.isfinite().all(), "samples of a model with random weights are not finite")
    expect(not x.requires_grad, "samples carry gradients; sample under torch.no_grad()")


def check_tokens_are_the_images(component: Sampler, sampler: SampleFunction, model: nn.Module, spec: DataSpec) -> None:
    """Check that a sampler which declares `draws_tokens`, and no other, gives the tokens of the images that it draws."""
    expect(isinstance(sampler, TokenSampler) == component.draws_tokens, "draws_tokens must say whether there is `tokens`")
    if not isinstance(sampler, TokenSampler) or not isinstance(model, TakesTokens):
        return
    labels = torch.arange(SAMPLES) % spec.classes if spec.classes else None
    tokens = sampler.tokens(model, SampleStreams(5, "conformance", range(SAMPLES)), labels)
    is_plain = tokens.dtype == torch.int64 and tuple(tokens.shape) == (SAMPLES, model.tokens_per_image)
    expect(is_plain, f"tokens gave {tuple(tokens.shape)} {tokens.dtype}, not ({SAMPLES}, L) int64")
    images = expect_offers(model, Tokens, "the model").decode(tokens)
    expect(torch.equal(images.float(), draw(sampler, model, spec)), "decoded tokens are not the images of the same streams")


def check_draws_repeat(sampler: SampleFunction, model: nn.Module, spec: DataSpec, drawn: Drawn | None = None) -> None:
    """Check that the same streams give the same samples, bit for bit, and that no global randomness is used."""
    first = _drawn(sampler, model, spec, drawn)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(12345)
        state = torch.get_rng_state()
        second = draw(sampler, model, spec)
        expect(torch.equal(state, torch.get_rng_state()), "draws from global randomness instead of its streams")
    expect(torch.equal(first, second), "the same streams give other samples")


def check_batch_does_not_matter(sampler: SampleFunction, model: nn.Module, spec: DataSpec, drawn: Drawn | None = None) -> None:
    """Check that a sample is the same in any batch, up to rounding."""
    whole = _drawn(sampler, model, spec, drawn)
    in_threes = torch.cat([draw(sampler, model, spec, range(i, min(i + 3, SAMPLES))) for i in range(0, SAMPLES, 3)])
    difference = float((whole - in_threes).abs().max())
    bound = ROUNDING * max(1.0, float(whole.abs().max()))
    expect(difference <= bound, f"batches of 3 and of {SAMPLES} differ by {difference:.2g}: samples share randomness")


def check_other_seeds_differ(sampler: SampleFunction, model: nn.Module, spec: DataSpec, drawn: Drawn | None = None) -> None:
    """Check that samples of one draw differ from each other, and from those of another seed."""
    x, other = _drawn(sampler, model, spec, drawn), draw(sampler, model, spec, seed=6)
    expect(not (x == other).flatten(1).all(1).any(), "another seed gives the same sample")
    expect(len(x.flatten(1).unique(dim=0)) == SAMPLES, "two streams give the same sample")


def check_model_is_left_alone(sampler: SampleFunction, model: nn.Module, spec: DataSpec) -> None:
    """Check that sampling changes neither the model's weights nor its mode."""
    before, was_training = {name: value.clone() for name, value in model.state_dict().items()}, model.training
    draw(sampler, model, spec)
    expect(model.training == was_training, "sampling changes the model's mode")
    moved = [name for name, value in model.state_dict().items() if not torch.equal(value, before[name])]
    expect(not moved, f"sampling changes the weights: {', '.join(moved[:3])}")


def check_a_new_object_draws_the_same(
    component: Sampler, config: Config, used: SampleFunction, model: nn.Module, spec: DataSpec, prepared: Mapping[str, Tensor]
) -> None:
    """Check that a sampler which has prepared and drawn draws like a new one, which only takes the prepared tensors.

    A killed run goes on with new objects: what a sampler remembers beside the prepared tensors would give other samples.

    Args:
        used: a sampler that has drawn.
        prepared: what `prepare` returned.
    """
    new = component.create(config)
    _give_networks(new, model)
    if isinstance(new, PreparedSampler) and new.needs_preparation:
        new.use(prepared)
    is_same = torch.equal(draw(new, model, spec), draw(used, model, spec))
    expect(is_same, "a new object draws other samples than one that has drawn before: what `prepare` gives must be all")
