"""Conformance of the capabilities that models declare: a check for each one in `harness.capabilities`, except tokens."""

from __future__ import annotations

import copy
import math
from functools import partial

import torch
from torch import nn

from harness.capabilities import (
    BoundWeighting,
    Denoises,
    Likelihood,
    NoiseChain,
    NullLabel,
    Trains,
    TrainsInParts,
    Transitions,
    WeightedBound,
    WorksInLatents,
)
from harness.interfaces import DataSpec
from harness.streams import stream
from harness.testing.expect import expect, expect_offers
from harness.testing.probes import BATCH, ROUNDING, check_close, check_gradients, examples, through_forward
from harness.toolkit.transitions import log_density
from harness.training.micro_batches import rows_of, slices


def check_trains(model: nn.Module, spec: DataSpec) -> None:
    """Check that the loss is one finite number for each example, repeats with its generator, and reaches the weights."""
    x, labels = examples(spec)
    trains = expect_offers(model, Trains, "the model")
    loss = through_forward(model, lambda: trains.training_loss(x, labels, stream(1, "loss")), "training_loss")
    expect(loss.shape == (BATCH,), f"training_loss gave {tuple(loss.shape)}, not one value for each example, ({BATCH},)")
    expect(loss.isfinite().all(), "training_loss is not finite on ordinary data")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(12345)
        again = trains.training_loss(x, labels, stream(1, "loss"))
    expect(torch.equal(loss, again), "training_loss does not repeat with its generator")
    check_gradients(model, loss.mean(), "training_loss")


def check_trains_in_parts(model: nn.Module, spec: DataSpec) -> None:
    """Check that the training loss of each example is the same, drawn at once, drawn first, and in micro-batches."""
    trains, in_parts = expect_offers(model, Trains, "the model"), expect_offers(model, TrainsInParts, "the model")
    x, labels = examples(spec)
    expected = trains.training_loss(x, labels, stream(0, "loss")).detach()
    draw = in_parts.training_draw(x, stream(0, "loss"))
    check_close(in_parts.training_loss_at(x, labels, draw), expected, "training_loss_at and training_loss")
    for rows in slices(len(x), len(x) // 2 + 1):
        part = in_parts.training_loss_at(x[rows], None if labels is None else labels[rows], rows_of(draw, rows))
        check_close(part, expected[rows], "the training losses of a micro-batch alone and in its batch")


def check_likelihood(model: nn.Module, spec: DataSpec) -> None:
    """Check that networks which share a draw give equal values with equal weights, and other values with other weights."""
    x, labels = examples(spec)
    likelihood = expect_offers(model, Likelihood, "the model")
    draw = likelihood.draw(x, stream(2, "draw"))
    value = through_forward(model, lambda: likelihood.log_likelihood(x, labels, draw), "log_likelihood")
    expect(value.shape == (BATCH,), f"log_likelihood gave {tuple(value.shape)}, not one value for each example, ({BATCH},)")
    expect(value.isfinite().all(), "log_likelihood is not finite on ordinary data")
    twin = copy.deepcopy(model)
    twins = expect_offers(twin, Likelihood, "a copy of the model")
    expect(torch.equal(value, twins.log_likelihood(x, labels, draw)), "a copy of the model differs at the same draw")
    again = likelihood.log_likelihood(x, labels, likelihood.draw(x, stream(2, "draw")))
    expect(torch.equal(value, again), "the same generator does not give the same draw")
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.mul_(1.1).add_(0.01)
    expect(not torch.equal(value, twins.log_likelihood(x, labels, draw)), "log_likelihood does not depend on the weights")
    check_gradients(model, value.mean(), "log_likelihood")


def check_weighted_bound(model: nn.Module, spec: DataSpec) -> None:
    """Check that each weighting that the model takes gives a finite value for each example, repeats, and reaches the weights."""
    x, labels = examples(spec)
    bound, likelihood = expect_offers(model, WeightedBound, "the model"), expect_offers(model, Likelihood, "the model")
    weightings = [BoundWeighting(), BoundWeighting("simple"), BoundWeighting("elbo")]
    if isinstance(model, Denoises):
        weightings += [BoundWeighting("edm"), BoundWeighting("edm", p_mean=-2.0, p_std=0.5)]
    for weighting in weightings:
        draw = bound.draw_weighted(x, stream(2, "draw"), weighting)
        value = through_forward(model, partial(bound.weighted_bound, x, labels, draw, weighting), "weighted_bound")
        expect(value.shape == (BATCH,), f"weighted_bound gave {tuple(value.shape)}, not one value for each example, ({BATCH},)")
        expect(value.isfinite().all(), f"weighted_bound is not finite on ordinary data with {weighting}")
        again = bound.weighted_bound(x, labels, bound.draw_weighted(x, stream(2, "draw"), weighting), weighting)
        expect(torch.equal(value, again), "the same generator does not give the same draw")
        check_gradients(model, value.mean(), "weighted_bound")
    draw = likelihood.draw(x, stream(2, "draw"))
    own = bound.weighted_bound(x, labels, bound.draw_weighted(x, stream(2, "draw"), BoundWeighting()), BoundWeighting())
    expect(torch.equal(own, likelihood.log_likelihood(x, labels, draw)), "the weight model is not that of log_likelihood")


def check_transitions(model: nn.Module, spec: DataSpec) -> None:
    """Check that one index for all and a batch of indices agree, that noise is positive, and that densities reach the weights."""
    chain, (x, _) = expect_offers(model, Transitions, "the model"), examples(spec)
    expect(chain.transitions >= 1, f"transitions is {chain.transitions}; a chain has at least one step")
    for step in sorted({0, chain.transitions // 2, chain.transitions - 1}):
        mean, std = through_forward(model, partial(chain.transition, x, step), "transition")
        expect(mean.shape == x.shape, f"transition's mean is {tuple(mean.shape)}, the state {tuple(x.shape)}")
        expect((std > 0).all() and std.expand_as(mean).isfinite().all(), f"the std of step {step} is not above 0")
        each = chain.transition(x, torch.full((BATCH,), step))
        check_close(each.mean, mean, f"the means of step {step} for all and for each")
        check_close(each.std.expand_as(mean), std.expand_as(mean), f"the stds of step {step} for all and for each")
    steps = torch.arange(BATCH) % chain.transitions
    mixed = chain.transition(x, steps)
    alone = chain.transition(x[-1:], int(steps[-1]))
    check_close(mixed.mean[-1:], alone.mean, "the means of an example alone and among other steps")
    check_gradients(model, log_density(x, mixed).mean(), "transition")


def check_denoises(model: nn.Module, spec: DataSpec) -> None:
    """Check that one noise level for all and a batch of levels agree, and that the ends of the range are finite."""
    denoiser, (x, labels) = expect_offers(model, Denoises, "the model"), examples(spec)
    low, high = denoiser.sigma_range
    expect(0 < low < high < math.inf, f"sigma_range is ({low}, {high}); need 0 < low < high")
    for level in (low, math.sqrt(low * high), high):
        sigma = torch.tensor(level)
        noisy = x + sigma * torch.randn(x.shape, generator=stream(3, "noise"))
        clean = through_forward(model, partial(denoiser.denoise, noisy, sigma, labels), "denoise")
        expect(clean.shape == x.shape, f"denoise gave {tuple(clean.shape)} for {tuple(x.shape)}")
        expect(clean.isfinite().all(), f"denoise is not finite at sigma = {level:g}")
        each = denoiser.denoise(noisy, sigma.expand(BATCH), labels)
        check_close(each, clean, f"the results at sigma = {level:g} for all and for each")


def check_noise_chain(model: nn.Module, spec: DataSpec) -> None:
    """Check that betas are variances on the CPU, and that one time for all and a batch of times agree, between steps too."""
    chain, (x, labels) = expect_offers(model, NoiseChain, "the model"), examples(spec)
    betas = chain.chain_betas
    is_plain = betas.dim() == 1 and betas.dtype == torch.float64 and betas.device.type == "cpu"
    expect(is_plain and len(betas), f"chain_betas is {tuple(betas.shape)} {betas.dtype}, not (T,) float64 on the CPU")
    expect(((betas > 0) & (betas < 1)).all(), "chain_betas are not all between 0 and 1")
    last = len(betas) - 1
    for time in (0, last, 0.3 * last):
        noise = through_forward(model, partial(chain.predict_noise, x, time, labels), "predict_noise")
        expect(noise.shape == x.shape, f"predict_noise gave {tuple(noise.shape)} for {tuple(x.shape)}")
        expect(noise.isfinite().all(), f"predict_noise is not finite at time {time:g}")
        each = chain.predict_noise(x, torch.full((BATCH,), float(time)), labels)
        check_close(each, noise, f"the results at time {time:g} for all and for each")


def check_null_label(model: nn.Module, spec: DataSpec) -> None:
    """Check that the null label is none of the data's labels, and gives a likelihood the value that no labels give."""
    null = expect_offers(model, NullLabel, "the model").null_label
    expect(not 0 <= null < spec.classes, f"null_label is {null}, a label of the data: 0 to {spec.classes - 1}")
    if isinstance(model, Likelihood):
        x, _ = examples(spec)
        draw = model.draw(x, stream(2, "draw"))
        with_null, without = (model.log_likelihood(x, labels, draw) for labels in (torch.full((BATCH,), null), None))
        expect(torch.equal(with_null, without), "null_label and no labels give other likelihoods")


def check_works_in_latents(model: nn.Module, spec: DataSpec) -> None:
    """Check that images become latents and back: repeatably, each on its own, and as no evaluation of the network.

    `spec` is that of the images.
    """
    works, calls = expect_offers(model, WorksInLatents, "the model"), []
    with model.register_forward_pre_hook(lambda *_: calls.append(1)):
        x = examples(spec)[0].clamp(-1, 1)
        kept = works.encode_images(x)
        is_one_row_each = len(kept) == BATCH and not kept.requires_grad
        expect(is_one_row_each, "encode_images does not give one row for each image, or rows with gradients")
        latents, again = (works.draw_latents(kept, stream(1, "latents")) for _ in range(2))
        shape = tuple(latents.shape)
        expect(shape == (BATCH, *works.latent_shape), f"draw_latents gave {shape}, not {works.latent_shape} for each image")
        expect(torch.equal(latents, again), "draw_latents does not repeat with its generator")
        images = works.decode_latents(latents)
        expect(images.shape == (BATCH, *spec.shape), f"decode_latents gave {tuple(images.shape)}, not {spec.shape} each")
        expect(float(images.min()) >= -1 and float(images.max()) <= 1, "decode_latents leaves [-1, 1]")
        part = works.decode_latents(latents[:2])
        expect(torch.allclose(part, images[:2], rtol=0, atol=ROUNDING), "decode_latents mixes examples")
        expect(works.autoencoder_identity() == works.autoencoder_identity(), "autoencoder_identity does not repeat")
    expect(not calls, "encoding or decoding goes through the network's forward, and would count as its evaluations")
