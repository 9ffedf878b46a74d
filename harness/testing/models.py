"""Conformance of models: declared capabilities are there, and give what the contract says.

A plugin's own test is one line: `check_model(component)`, or `check_model(component, config=…, spec=…)` for a model
that cannot be built small from its defaults.
"""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Callable
from functools import partial
from typing import TypeVar, cast

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from harness.capabilities import (
    PROTOCOLS,
    Denoises,
    Likelihood,
    MaskedTokens,
    NextScale,
    NoiseChain,
    NullLabel,
    Tokens,
    Trains,
    TrainsInParts,
    TrainsTokenizer,
    Transitions,
    WorksInLatents,
)
from harness.components import Model
from harness.config import Config
from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.sampling import latents
from harness.streams import stream
from harness.testing.expect import expect
from harness.toolkit.transitions import log_density
from harness.training.micro_batches import rows_of, slices

R = TypeVar("R")
BATCH = 6

# What a model is tried on, in this order, where the caller names no data: the first one it can be built for.
SPECS = (
    DataSpec((2,)),
    DataSpec((1, 16, 16), classes=4, preview="images"),
    DataSpec((3, 32, 32), classes=4, preview="images"),
)

# A whole batch and a part of it add up in different orders; see the design's note on batch sizes.
ROUNDING = 1e-4


def check_model(component: Model, *, config: Config | None = None, spec: DataSpec | None = None) -> None:
    """All checks of this module."""
    config = config or component.config()
    spec = spec or buildable_spec(component, config)
    check_names_are_capabilities(component)
    check_building_repeats(component, config, spec)
    model = build(component, config, spec)
    check_weights_survive_a_file(component, config, spec)
    data, spec = spec, latents.network_spec(model, spec)
    if isinstance(model, WorksInLatents):
        check_works_in_latents(model, data)
    checks: dict[str, Callable[[nn.Module, DataSpec], None]] = {
        "Trains": check_trains,
        "TrainsInParts": check_trains_in_parts,
        "Likelihood": check_likelihood,
        "Transitions": check_transitions,
        "Denoises": check_denoises,
        "NoiseChain": check_noise_chain,
        "Tokens": check_tokens,
        "TrainsTokenizer": check_trains_tokenizer,
        "NullLabel": check_null_label,
        "NextScale": check_next_scale,
        "MaskedTokens": check_masked_tokens,
    }
    for name in sorted(component.provides):
        expect(isinstance(model, PROTOCOLS[name]), f"{component.name} declares {name}, but its module has not")
        if name == "Transitions" and spec.classes:  # a chain need not take labels, and is then tried without
            unlabelled = dataclasses.replace(data, classes=0)
            other = build(component, config, unlabelled)
            check_transitions(other, latents.network_spec(other, unlabelled))
        else:
            checks[name](model, spec)


def buildable_spec(component: Model, config: Config) -> DataSpec:
    """The first of SPECS that the model can be built for; one that it cannot take is a UserError in `build`."""
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
    """The module, its weights drawn from `seed`, in eval mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = component.create(config, spec)
    return model.eval()


def examples(spec: DataSpec, n: int = BATCH, seed: int = 0) -> tuple[Tensor, Tensor | None]:
    """Data of the spec's shape, about as large as data is: x (n, …) of standard deviation 0.5, and labels."""
    generator = stream(seed, "conformance")
    x = 0.5 * torch.randn(n, *spec.shape, generator=generator)
    return x, torch.randint(spec.classes, (n,), generator=generator) if spec.classes else None


def check_names_are_capabilities(component: Model) -> None:
    """A capability that does not exist can satisfy no method."""
    strange = sorted(component.provides - set(PROTOCOLS))
    expect(not strange, f"{component.name} provides {', '.join(strange)}; there are {', '.join(sorted(PROTOCOLS))}")


def check_building_repeats(component: Model, config: Config, spec: DataSpec) -> None:
    """The same seed gives the same weights; the harness seeds torch before it builds a model."""
    first, second = (build(component, config, spec).state_dict() for _ in range(2))
    expect(list(first) == list(second), f"{component.name}: the state dict's names differ between two builds")
    moved = [name for name in first if not torch.equal(first[name], second[name])]
    expect(not moved, f"{component.name}: the same seed gives other weights: {', '.join(moved[:3])}")


def check_weights_survive_a_file(component: Model, config: Config, spec: DataSpec) -> None:
    """Weights are kept as safetensors: they come back bit for bit, strictly, and the model then computes the same."""
    model, other = build(component, config, spec), build(component, config, spec, seed=1)
    other.load_state_dict(load(save({name: value.contiguous() for name, value in model.state_dict().items()})))
    for name, value in model.state_dict().items():
        same = torch.equal(value, other.state_dict()[name])
        expect(same, f"{component.name}: {name} changes on its way through a file")
    if isinstance(model, Trains):
        x, labels = examples(latents.network_spec(model, spec))
        losses = [one.training_loss(x, labels, stream(1, "loss")) for one in (model, cast(Trains, other))]
        expect(torch.equal(*losses), f"{component.name}: the state dict does not hold all that the loss depends on")


def check_works_in_latents(model: nn.Module, spec: DataSpec) -> None:
    """Images become latents of the stated shape and back, repeatably, each on its own, and as no evaluation of the network."""
    works, calls = cast(WorksInLatents, model), []
    hook = model.register_forward_pre_hook(lambda *_: calls.append(1))
    x = examples(spec)[0].clamp(-1, 1)
    kept = works.encode_images(x)
    expect(len(kept) == BATCH and not kept.requires_grad, "encode_images gives no row an image, or one with gradients")
    first, again = (works.draw_latents(kept, stream(1, "latents")) for _ in range(2))
    expect(first.shape == (BATCH, *works.latent_shape), f"draw_latents gave {tuple(first.shape)}, not {works.latent_shape} each")
    expect(torch.equal(first, again), "draw_latents does not repeat with its generator")
    images = works.decode_latents(first)
    expect(images.shape == (BATCH, *spec.shape), f"decode_latents gave {tuple(images.shape)}, not {spec.shape} each")
    expect(float(images.min()) >= -1 and float(images.max()) <= 1, "decode_latents leaves [-1, 1]")
    part = works.decode_latents(first[:2])
    expect(torch.allclose(part, images[:2], rtol=0, atol=ROUNDING), "decode_latents mixes examples")
    expect(works.autoencoder_identity() == works.autoencoder_identity(), "autoencoder_identity does not repeat")
    hook.remove()
    expect(not calls, "encoding or decoding goes through the network's forward, and would count as its evaluations")


def check_trains(model: nn.Module, spec: DataSpec) -> None:
    """The loss is one finite number an example, repeats with its generator, and reaches the weights."""
    x, labels = examples(spec)
    trains = cast(Trains, model)
    loss = calls_forward(model, lambda: trains.training_loss(x, labels, stream(1, "loss")), "training_loss")
    expect(loss.shape == (BATCH,), f"training_loss gave {tuple(loss.shape)}, not one value an example, ({BATCH},)")
    expect(loss.isfinite().all(), "training_loss is not finite on ordinary data")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(12345)
        again = trains.training_loss(x, labels, stream(1, "loss"))
    expect(torch.equal(loss, again), "training_loss does not repeat with its generator")
    check_gradients(model, loss.mean(), "training_loss")


def check_trains_in_parts(model: nn.Module, spec: DataSpec) -> None:
    """Drawn first, then whole or in parts, the training loss of each example is the same."""
    trains, parted, (x, labels) = cast(Trains, model), cast(TrainsInParts, model), examples(spec)
    expected = trains.training_loss(x, labels, stream(0, "loss")).detach()
    draw = parted.training_draw(x, stream(0, "loss"))
    whole = parted.training_loss_at(x, labels, draw)
    check_close(whole, expected, "training_loss_at and training_loss")
    for part in slices(len(x), len(x) // 2 + 1):
        some = parted.training_loss_at(x[part], None if labels is None else labels[part], rows_of(draw, part))
        check_close(some, expected[part], "the training loss of a part")


def check_likelihood(model: nn.Module, spec: DataSpec) -> None:
    """One draw shared by two networks: equal weights give equal values, other weights give others."""
    x, labels = examples(spec)
    likelihood = cast(Likelihood, model)
    draw = likelihood.draw(x, stream(2, "draw"))
    value = calls_forward(model, lambda: likelihood.log_likelihood(x, labels, draw), "log_likelihood")
    expect(value.shape == (BATCH,), f"log_likelihood gave {tuple(value.shape)}, not one value an example, ({BATCH},)")
    expect(value.isfinite().all(), "log_likelihood is not finite on ordinary data")
    twin = copy.deepcopy(model)
    same = cast(Likelihood, twin).log_likelihood(x, labels, draw)
    expect(torch.equal(value, same), "a copy of the model differs at the same draw")
    again = likelihood.log_likelihood(x, labels, likelihood.draw(x, stream(2, "draw")))
    expect(torch.equal(value, again), "the same generator does not give the same draw")
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.mul_(1.1).add_(0.01)
    moved = cast(Likelihood, twin).log_likelihood(x, labels, draw)
    expect(not torch.equal(value, moved), "log_likelihood does not depend on the weights")
    check_gradients(model, value.mean(), "log_likelihood")


def check_transitions(model: nn.Module, spec: DataSpec) -> None:
    """One index for all and a batch of indices agree; noise is positive; the log density reaches the weights."""
    chain, (x, _) = cast(Transitions, model), examples(spec)
    expect(chain.transitions >= 1, f"transitions is {chain.transitions}; a chain has at least one step")
    for step in sorted({0, chain.transitions // 2, chain.transitions - 1}):
        mean, std = calls_forward(model, lambda step=step: chain.transition(x, step), "transition")  # type: ignore[misc]
        expect(mean.shape == x.shape, f"transition's mean is {tuple(mean.shape)}, the state {tuple(x.shape)}")
        expect((std > 0).all() and std.expand_as(mean).isfinite().all(), f"the std of step {step} is not above 0")
        each = chain.transition(x, torch.full((BATCH,), step))
        check_close(each.mean, mean, f"the means of step {step} for all and for each")
        check_close(each.std.expand_as(mean), std.expand_as(mean), f"the stds of step {step} for all and for each")
    steps = torch.arange(BATCH) % chain.transitions
    mixed = chain.transition(x, steps)
    one = chain.transition(x[-1:], int(steps[-1]))
    check_close(mixed.mean[-1:], one.mean, "an example's mean alone and among other steps")
    check_gradients(model, log_density(x, mixed).mean(), "transition")


def check_denoises(model: nn.Module, spec: DataSpec) -> None:
    """One noise level for all and a batch of levels agree, and the ends of the range are finite."""
    denoiser, (x, labels) = cast(Denoises, model), examples(spec)
    low, high = denoiser.sigma_range
    expect(0 < low < high < math.inf, f"sigma_range is ({low}, {high}); need 0 < low < high")
    for level in (low, math.sqrt(low * high), high):
        sigma = torch.tensor(level)
        noisy = x + sigma * torch.randn(x.shape, generator=stream(3, "noise"))
        out = calls_forward(model, lambda n=noisy, s=sigma: denoiser.denoise(n, s, labels), "denoise")  # type: ignore[misc]
        expect(out.shape == x.shape, f"denoise gave {tuple(out.shape)} for {tuple(x.shape)}")
        expect(out.isfinite().all(), f"denoise is not finite at sigma = {level:g}")
        each = denoiser.denoise(noisy, sigma.expand(BATCH), labels)
        check_close(each, out, f"sigma = {level:g} for all and for each")


def check_noise_chain(model: nn.Module, spec: DataSpec) -> None:
    """The betas are variances on the CPU; one time for all and a batch of times agree, between whole steps too."""
    chain, (x, labels) = cast(NoiseChain, model), examples(spec)
    betas = chain.chain_betas
    plain = betas.dim() == 1 and betas.dtype == torch.float64 and betas.device.type == "cpu"
    expect(plain and len(betas), f"chain_betas is {tuple(betas.shape)} {betas.dtype}, not (T,) float64 on the CPU")
    expect(((betas > 0) & (betas < 1)).all(), "chain_betas are not all between 0 and 1")
    last = len(betas) - 1
    for time in (0, last, 0.3 * last):
        eps = calls_forward(model, lambda t=time: chain.predict_noise(x, t, labels), "predict_noise")  # type: ignore[misc]
        expect(eps.shape == x.shape, f"predict_noise gave {tuple(eps.shape)} for {tuple(x.shape)}")
        expect(eps.isfinite().all(), f"predict_noise is not finite at time {time:g}")
        each = chain.predict_noise(x, torch.full((BATCH,), float(time)), labels)
        check_close(each, eps, f"time {time:g} for all and for each")


def check_tokens(model: nn.Module, spec: DataSpec) -> None:
    """Images become tokens and come back in range; tokens outside the codebook are refused."""
    x, _ = examples(spec)
    tokenizer = cast(Tokens, model)
    tokens = tokenizer.encode(x)
    plain = tokens.dim() == 2 and len(tokens) == BATCH and tokens.dtype == torch.int64
    expect(plain, f"encode gave {tuple(tokens.shape)} {tokens.dtype}, not ({BATCH}, L) int64")
    decoded = tokenizer.decode(tokens)
    expect(decoded.shape == x.shape, f"decode gave {tuple(decoded.shape)} for images {tuple(x.shape)}")
    expect(decoded.abs().max() <= 1, f"decoded images reach {float(decoded.abs().max()):.3g}, outside [-1, 1]")
    for wrong in (-1, 1 << 40):
        try:
            tokenizer.decode(tokens.clone().index_fill(1, torch.tensor([0]), wrong))
        except ValueError:
            continue
        raise AssertionError(f"decode takes {wrong}, which is in no codebook; raise ValueError")


def check_trains_tokenizer(model: nn.Module, spec: DataSpec) -> None:
    """Its tokens are those of `encode`; each term reaches what it says, and no term anything but the tokenizer."""
    x, _ = examples(spec)
    model = copy.deepcopy(model).requires_grad_(True)
    trains = cast(TrainsTokenizer, model)
    terms, weights = trains.tokenizer_terms(x), trains.tokenizer_parameters()
    expect(torch.equal(terms.tokens, cast(Tokens, model).encode(x)), "tokenizer_terms has other tokens than encode")
    expect(terms.reconstructed.shape == x.shape, f"reconstructed is {tuple(terms.reconstructed.shape)}")
    expect(terms.latents.shape == (*terms.tokens.shape, trains.codebook.shape[1]), "latents are not one vector a token")
    expect(not terms.latents.requires_grad, "latents are not detached")
    expect(any(one is trains.codebook for one in weights), "tokenizer_parameters lacks the codebook")
    for name, moves_codes in (("commitment", False), ("codebook", True)):
        value = getattr(terms, name)
        expect(value.shape == (BATCH,), f"{name} gave {tuple(value.shape)}, not one value an example, ({BATCH},)")
        (gradient,) = torch.autograd.grad(value.mean(), [trains.codebook], retain_graph=True, allow_unused=True)
        moves = gradient is not None and bool(gradient.abs().sum() > 0)
        expect(moves == moves_codes, f"{name} {'moves' if moves else 'does not move'} the codes")
    total = terms.reconstructed.square().mean() + terms.commitment.mean() + terms.codebook.mean()
    total.backward()
    strangers = {id(one) for one in model.parameters()} - {id(one) for one in weights}
    moved = [name for name, one in model.named_parameters() if id(one) in strangers and one.grad is not None]
    expect(not moved, f"training the tokenizer would move {', '.join(moved[:3])}")


def check_null_label(model: nn.Module, spec: DataSpec) -> None:
    """It is none of the data's labels, and a likelihood takes it: it is what no labels at all mean."""
    null = cast(NullLabel, model).null_label
    expect(not 0 <= null < spec.classes, f"null_label is {null}, a label of the data: 0 to {spec.classes - 1}")
    if isinstance(model, Likelihood):
        x, _ = examples(spec)
        draw = model.draw(x, stream(2, "draw"))
        given, none = (model.log_likelihood(x, labels, draw) for labels in (torch.full((BATCH,), null), None))
        expect(torch.equal(given, none), "null_label and no labels give other likelihoods")


def check_next_scale(model: nn.Module, spec: DataSpec) -> None:
    """Every scale has finite logits, the same with the cache and without, and `null_label` is a label."""
    scales = cast(NextScale, model)
    expect(isinstance(model, Tokens), "NextScale without Tokens has no way to images")
    _, labels = examples(spec)
    null = torch.full((BATCH,), scales.null_label)
    for rows in (null, null if labels is None else labels):
        cache, smaller = scales.new_cache(), list[Tensor]()
        for side in scales.patch_nums:
            call = partial(scales.scale_logits, smaller, rows, cache)
            logits = calls_forward(model, call, "scale_logits")
            shape = tuple(logits.shape)
            expect(shape[:2] == (BATCH, side**2), f"scale_logits gave {shape} for a side of {side}")
            expect(logits.isfinite().all(), f"the logits of side {side} are not finite")
            anew = scales.scale_logits(smaller, rows, None)
            check_close(logits, anew, f"logits of side {side} with and without cache")
            smaller.append(torch.randint(logits.shape[-1], (BATCH, side**2), generator=stream(4, "tokens", side)))


def check_masked_tokens(model: nn.Module, spec: DataSpec) -> None:
    """Logits are finite for a grid without tokens, half of them and all of them, and `null_label` is a label."""
    masked = cast(MaskedTokens, model)
    expect(isinstance(model, Tokens), "MaskedTokens without Tokens has no way to images")
    length, codes = masked.side**2, masked.mask_token
    clean = torch.randint(codes, (BATCH, length), generator=stream(4, "tokens"))
    _, labels = examples(spec)
    null = torch.full((BATCH,), masked.null_label)
    for hidden in (0, length // 2, length):
        tokens = torch.where(torch.arange(length) < hidden, codes, clean)
        for rows in (null, null if labels is None else labels):
            logits = calls_forward(model, partial(masked.token_logits, tokens, rows), "token_logits")
            expect(logits.shape == (BATCH, length, codes + 1), f"token_logits gave {tuple(logits.shape)}")
            expect(logits.isfinite().all(), f"logits are not finite with {hidden} of {length} tokens masked")


def check_close(first: Tensor, second: Tensor, what: str) -> None:
    """Raises: AssertionError when two tensors differ by more than rounding."""
    first, second = first.detach(), second.detach()
    difference = float((first - second).abs().max())
    expect(difference <= ROUNDING * max(1.0, float(second.abs().max())), f"{what} differ by {difference:.2g}")


def check_gradients(model: nn.Module, scalar: Tensor, what: str) -> None:
    """Raises: AssertionError unless the scalar reaches some weights, with finite gradients."""
    expect(scalar.requires_grad, f"{what} is not differentiable in the weights")
    weights = [parameter for parameter in model.parameters() if parameter.requires_grad]
    gradients = [one for one in torch.autograd.grad(scalar, weights, allow_unused=True) if one is not None]
    expect(any(one.abs().sum() > 0 for one in gradients), f"{what} has no gradient in the weights")
    expect(all(one.isfinite().all() for one in gradients), f"{what} has gradients that are not finite")


def calls_forward(model: nn.Module, function: Callable[[], R], what: str) -> R:
    """What `function` gives.

    Raises: AssertionError unless it calls the module, with the batch in front: the harness counts evaluations there.
    """
    sizes: list[int] = []
    with model.register_forward_pre_hook(lambda _, arguments: sizes.append(len(arguments[0]))):
        result = function()
    expect(sizes, f"{what} bypasses the module's forward, where the harness counts evaluations of the network")
    expect(all(size % BATCH == 0 for size in sizes), f"{what} calls forward with {sizes[0]} rows for {BATCH} examples")
    return result
