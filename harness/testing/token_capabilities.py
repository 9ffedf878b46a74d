"""Conformance of models of discrete tokens: their tokenizer, its training, and the two ways to give logits."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from harness.capabilities import Likelihood, MaskedTokens, NextScale, TakesTokens, TokenizerTerms, Tokens, Trains, TrainsTokenizer
from harness.interfaces import DataSpec
from harness.streams import stream
from harness.testing.expect import expect, expect_offers
from harness.testing.probes import BATCH, check_close, examples, through_forward


def check_tokens(model: nn.Module, spec: DataSpec) -> None:
    """Check that images become tokens and come back in range, the same tokens in bf16, and that others are refused."""
    x, _ = examples(spec)
    tokenizer = expect_offers(model, Tokens, "the model")
    tokens = tokenizer.encode(x)
    is_plain = tokens.dim() == 2 and len(tokens) == BATCH and tokens.dtype == torch.int64
    expect(is_plain, f"encode gave {tuple(tokens.shape)} {tokens.dtype}, not ({BATCH}, L) int64")
    with torch.autocast(x.device.type, dtype=torch.bfloat16):
        is_exact = torch.equal(tokenizer.encode(x), tokens)
    expect(is_exact, "encode gives other tokens in a step in bf16: let it compute in harness.training.precision.in_float32")
    decoded = tokenizer.decode(tokens)
    expect(decoded.shape == x.shape, f"decode gave {tuple(decoded.shape)} for images {tuple(x.shape)}")
    expect(decoded.abs().max() <= 1, f"decoded images reach {float(decoded.abs().max()):.3g}, outside [-1, 1]")
    for wrong in (-1, 1 << 40):
        try:
            tokenizer.decode(tokens.clone().index_fill(1, torch.tensor([0]), wrong))
        except ValueError:
            continue
        raise AssertionError(f"decode takes {wrong}, which is in no codebook; raise ValueError")


def check_takes_tokens(model: nn.Module, spec: DataSpec) -> None:
    """Check that the loss and the likelihood of an image's tokens are those of the image, and that other shapes are refused."""
    x, labels = examples(spec)
    tokens = expect_offers(model, Tokens, "the model").encode(x)
    length = expect_offers(model, TakesTokens, "the model").tokens_per_image
    expect(tokens.shape[1] == length, f"tokens_per_image is {length}, but encode gives {tokens.shape[1]} tokens")
    values = list[Callable[[Tensor], Tensor]]()
    if isinstance(model, Trains):
        values.append(lambda given: model.training_loss(given, labels, stream(1, "tokens")))
    if isinstance(model, Likelihood):
        values.append(lambda given: model.log_likelihood(given, labels, model.draw(given, stream(1, "tokens"))))
    for value in values:
        expect(torch.equal(value(x), value(tokens)), "the loss or the likelihood of an image's tokens is not that of the image")
        for wrong in (tokens[:, 1:], tokens.clone().index_fill(1, torch.tensor([0]), -1)):
            try:
                value(wrong)
            except ValueError:
                continue
            raise AssertionError("takes tokens of another number, or that name no code; raise ValueError")


def check_trains_tokenizer(model: nn.Module, spec: DataSpec) -> None:
    """Check that the tokens are those of `encode`, and that each term moves what it says, and nothing but the tokenizer."""
    x, _ = examples(spec)
    model = copy.deepcopy(model).requires_grad_(True)
    trains = expect_offers(model, TrainsTokenizer, "the model")
    terms, weights = trains.tokenizer_terms(x), trains.tokenizer_parameters()
    tokens = expect_offers(model, Tokens, "the model").encode(x)
    expect(torch.equal(terms.tokens, tokens), "tokenizer_terms has other tokens than encode")
    expect(any(weight is trains.codebook for weight in weights), "tokenizer_parameters lacks the codebook")
    expect(terms.reconstructed.shape == x.shape, f"reconstructed is {tuple(terms.reconstructed.shape)}, not {tuple(x.shape)}")
    is_one_each = terms.latents.shape == (*terms.tokens.shape, trains.codebook.shape[1])
    expect(is_one_each, f"latents are {tuple(terms.latents.shape)}, not one vector of the codebook's size for each token")
    expect(not terms.latents.requires_grad, "latents are not detached")
    _check_what_terms_move(terms, trains)
    total = terms.reconstructed.square().mean() + terms.commitment.mean() + terms.codebook.mean()
    total.backward()
    tokenizer = {id(weight) for weight in weights}
    moved = [name for name, weight in model.named_parameters() if id(weight) not in tokenizer and weight.grad is not None]
    expect(not moved, f"training the tokenizer would move {', '.join(moved[:3])}")


def _check_what_terms_move(terms: TokenizerTerms, trains: TrainsTokenizer) -> None:
    for name, value, moves_codes in (("commitment", terms.commitment, False), ("codebook", terms.codebook, True)):
        expect(value.shape == (BATCH,), f"{name} is {tuple(value.shape)}, not one value for each example, ({BATCH},)")
        (gradient,) = torch.autograd.grad(value.mean(), [trains.codebook], retain_graph=True, allow_unused=True)
        moves = gradient is not None and bool(gradient.abs().sum() > 0)
        expect(moves == moves_codes, f"{name} {'moves' if moves else 'does not move'} the codes")


def check_next_scale(model: nn.Module, spec: DataSpec) -> None:
    """Check that every scale has finite logits, the same with the cache and without, and that `null_label` is a label."""
    scales = expect_offers(model, NextScale, "the model")
    expect(isinstance(model, Tokens), "NextScale without Tokens has no way to images")
    for labels in _labels_to_try(spec, scales.null_label):
        cache, smaller = scales.new_cache(), list[Tensor]()
        for side in scales.patch_nums:
            logits = through_forward(model, partial(scales.scale_logits, smaller, labels, cache), "scale_logits")
            shape = tuple(logits.shape)
            expect(shape[:2] == (BATCH, side**2), f"scale_logits gave {shape} for a side of {side}")
            expect(logits.isfinite().all(), f"the logits of side {side} are not finite")
            anew = scales.scale_logits(smaller, labels, None)
            check_close(logits, anew, f"the logits of side {side} with and without cache")
            smaller.append(torch.randint(logits.shape[-1], (BATCH, side**2), generator=stream(4, "tokens", side)))


def check_masked_tokens(model: nn.Module, spec: DataSpec) -> None:
    """Check that logits are finite with no token masked, half of them and all, and that `null_label` is a label."""
    masked = expect_offers(model, MaskedTokens, "the model")
    expect(isinstance(model, Tokens), "MaskedTokens without Tokens has no way to images")
    length, codes = masked.side**2, masked.mask_token
    clean = torch.randint(codes, (BATCH, length), generator=stream(4, "tokens"))
    for hidden in (0, length // 2, length):
        tokens = torch.where(torch.arange(length) < hidden, codes, clean)
        for labels in _labels_to_try(spec, masked.null_label):
            logits = through_forward(model, partial(masked.token_logits, tokens, labels), "token_logits")
            expect(logits.shape == (BATCH, length, codes + 1), f"token_logits gave {tuple(logits.shape)}")
            expect(logits.isfinite().all(), f"logits are not finite with {hidden} of {length} tokens masked")


def _labels_to_try(spec: DataSpec, null_label: int) -> list[Tensor]:
    """Return labels of no class, and those of the data where there are classes."""
    labels = examples(spec)[1]
    return [torch.full((BATCH,), null_label), *([] if labels is None else [labels])]
