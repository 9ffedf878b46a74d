"""The checks of token models pass a model that keeps its promises, and find each way to break one."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from harness.capabilities import TokenizerTerms
from harness.interfaces import DataSpec
from harness.testing import token_capabilities

SPEC = DataSpec((1, 2, 2), classes=3, preview="images")
CODES = 4


class TokenModel(nn.Module):
    """Each pixel is a token: the nearest of four grey levels. Logits come from sums over the tokens that are known."""

    patch_nums = (1, 2)
    side, mask_token, null_label = 2, CODES, 3

    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(1, 1)
        self.codebook = nn.Parameter(torch.linspace(-1, 1, CODES)[:, None])
        self.head = nn.Linear(1, CODES)
        with torch.no_grad():
            self.encoder.weight.fill_(1.0)
            self.encoder.bias.fill_(0.05)
        for parameter in (self.encoder.weight, self.encoder.bias, self.codebook):
            parameter.requires_grad_(False)

    def latents(self, x):
        return self.encoder(x.flatten(1)[..., None])

    def encode(self, x):
        return (self.latents(x) - self.codebook.flatten()).abs().argmin(-1)

    def decode(self, tokens):
        if tokens.min() < 0 or tokens.max() >= CODES:
            raise ValueError("no such code")
        return self.codebook[tokens].view(len(tokens), *SPEC.shape).clamp(-1, 1)

    def tokenizer_parameters(self):
        return [*self.encoder.parameters(), self.codebook]

    def tokenizer_terms(self, x):
        latents, tokens = self.latents(x), self.encode(x)
        codes = self.codebook[tokens]
        straight = latents + (codes - latents).detach()
        return TokenizerTerms(
            straight.view_as(x),
            (latents - codes.detach()).square().mean((1, 2)),
            (latents.detach() - codes).square().mean((1, 2)),
            tokens,
            latents.detach(),
        )

    def forward(self, tokens, labels, count):
        """Logits of `count` positions from the sum of the tokens."""
        given = tokens.float().sum(1, keepdim=True) + labels[:, None].float()
        return self.head(given)[:, None].expand(-1, count, -1)

    def new_cache(self):
        return []

    def scale_logits(self, smaller, labels, cache):
        tokens = torch.cat([torch.zeros(len(labels), 1), *smaller], 1)
        return self(tokens, labels, self.patch_nums[len(smaller)] ** 2)

    def token_logits(self, tokens, labels):
        logits = self(tokens, labels, tokens.shape[1])
        return torch.cat([logits, logits.new_full((*logits.shape[:2], 1), -9.0)], -1)


def with_members(**members):
    return type("Changed", (TokenModel,), members)()


def after(method, change):
    original = getattr(TokenModel, method)
    return with_members(**{method: lambda self, *arguments: change(original(self, *arguments))})


def with_terms(change):
    """The model whose terms are changed, given the model and the terms."""
    return with_members(tokenizer_terms=lambda self, x: change(self, TokenModel.tokenizer_terms(self, x)))


class TokenTrainer(TokenModel):
    """A token model with a loss and a likelihood, both of images or of their tokens."""

    tokens_per_image = 4

    def tokens_of(self, x):
        if x.dtype != torch.int64:
            return self.encode(x)
        if x.shape[1] != 4 or x.min() < 0:
            raise ValueError("no tokens of an image")
        return x

    def training_loss(self, x, labels, generator):
        return self.log_likelihood(x, labels, self.draw(x, generator))

    def draw(self, x, generator):
        return torch.rand(len(x), generator=generator)

    def log_likelihood(self, x, labels, draw):
        return self.tokens_of(x).float().sum(1) * draw


def re_encoding(self, x):
    """Takes tokens for the images of a model whose tokens do not survive the way to images and back."""
    return (self.encode(x) if x.dtype != torch.int64 else x + 1).clamp(max=CODES - 1)


@pytest.mark.parametrize(("members", "message"), [
    ({}, None),
    ({"tokens_per_image": 5}, "tokens_per_image is 5, but encode gives 4 tokens"),
    ({"tokens_of": re_encoding}, "the loss or the likelihood of an image's tokens is not that of the image"),
    ({"tokens_of": lambda self, x: x if x.dtype == torch.int64 else self.encode(x)},
     "takes tokens of another number, or that name no code; raise ValueError"),
])  # fmt: skip
def test_models_that_do_not_take_tokens_as_they_take_images_are_found(failure, members, message):
    model = type("Changed", (TokenTrainer,), members)()
    if message is None:
        token_capabilities.check_takes_tokens(model, SPEC)
    else:
        assert failure(token_capabilities.check_takes_tokens, model, SPEC) == message


@pytest.mark.parametrize("check", [
    token_capabilities.check_tokens, token_capabilities.check_trains_tokenizer,
    token_capabilities.check_next_scale, token_capabilities.check_masked_tokens,
])  # fmt: skip
@pytest.mark.parametrize("classes", [0, 3])
def test_a_model_that_keeps_its_promises_passes(check, classes):
    check(TokenModel(), DataSpec(SPEC.shape, classes, "images"))


def wide_decoder(self, tokens):
    return 2 * TokenModel.decode(self, tokens)


def forgiving_decoder(self, tokens):
    return TokenModel.decode(self, tokens.clamp(0, CODES - 1))


def python_decoder(self, tokens):
    """Takes -1 as the last code, as indexing does."""
    if tokens.max() >= CODES:
        raise ValueError("no such code")
    return self.codebook[tokens].view(len(tokens), *SPEC.shape)


def rounding_encoder(self, x):
    """Goes by autocast, as the layers of a tokenizer do."""
    tokens = TokenModel.encode(self, x)
    return tokens if (torch.ones(1, 1) @ torch.ones(1, 1)).dtype == torch.float32 else tokens.roll(1, 1)


@pytest.mark.parametrize(("model", "message"), [
    (with_members(encode=rounding_encoder),
     "encode gives other tokens in a step in bf16: let it compute in harness.training.precision.in_float32"),
    (after("encode", lambda tokens: tokens.view(-1, 2, 2)), "encode gave (6, 2, 2) torch.int64, not (6, L) int64"),
    (after("encode", torch.Tensor.int), "encode gave (6, 4) torch.int32, not (6, L) int64"),
    (after("decode", lambda images: images.flatten(1)), "decode gave (6, 4) for images (6, 1, 2, 2)"),
    (with_members(decode=wide_decoder), "decoded images reach 2, outside [-1, 1]"),
    (with_members(decode=forgiving_decoder), "decode takes -1, which is in no codebook; raise ValueError"),
    (with_members(decode=python_decoder), "decode takes -1, which is in no codebook; raise ValueError"),
])  # fmt: skip
def test_tokenizers_that_break_a_promise_are_found(failure, model, message):
    assert failure(token_capabilities.check_tokens, model, SPEC) == message


@pytest.mark.parametrize(("model", "message"), [
    (with_terms(lambda _, terms: terms._replace(tokens=terms.tokens.roll(1, 0))), "tokenizer_terms has other tokens than encode"),
    (with_members(tokenizer_parameters=lambda self: list(self.encoder.parameters())), "tokenizer_parameters lacks the codebook"),
    (with_terms(lambda _, terms: terms._replace(reconstructed=terms.reconstructed.flatten(1))),
     "reconstructed is (6, 4), not (6, 1, 2, 2)"),
    (with_terms(lambda _, terms: terms._replace(latents=terms.latents[..., 0])),
     "latents are (6, 4), not one vector of the codebook's size for each token"),
    (with_terms(lambda self, terms: terms._replace(latents=terms.latents * self.encoder.weight)), "latents are not detached"),
    (with_terms(lambda _, terms: terms._replace(commitment=terms.commitment.mean())),
     "commitment is (), not one value for each example, (6,)"),
    (with_terms(lambda _, terms: terms._replace(commitment=terms.commitment + terms.codebook)), "commitment moves the codes"),
    (with_terms(lambda _, terms: terms._replace(codebook=terms.commitment)), "codebook does not move the codes"),
    (with_terms(lambda self, terms: terms._replace(reconstructed=terms.reconstructed * self.head.weight.sum())),
     "training the tokenizer would move head.weight"),
])  # fmt: skip
def test_terms_of_a_tokenizer_that_break_a_promise_are_found(failure, model, message):
    assert failure(token_capabilities.check_trains_tokenizer, model, SPEC) == message


def test_checking_the_terms_leaves_the_model_as_it_was():
    model = TokenModel()
    token_capabilities.check_trains_tokenizer(model, SPEC)
    assert not model.codebook.requires_grad
    assert all(parameter.grad is None for parameter in model.parameters())


class Untokenized(nn.Module):
    """Gives logits and knows no way to images."""

    patch_nums, side, mask_token, null_label = (1, 2), 2, CODES, 3
    new_cache, scale_logits, token_logits = TokenModel.new_cache, TokenModel.scale_logits, TokenModel.token_logits


@pytest.mark.parametrize(("check", "name"), [
    (token_capabilities.check_next_scale, "NextScale"), (token_capabilities.check_masked_tokens, "MaskedTokens"),
])  # fmt: skip
def test_logits_without_a_way_to_images_are_found(failure, check, name):
    assert failure(check, Untokenized(), SPEC) == f"{name} without Tokens has no way to images"


def forgetful(self, smaller, labels, cache):
    """With a cache, the smaller scales are not looked at."""
    seen = smaller if cache is None else [torch.zeros_like(tokens) for tokens in smaller]
    return TokenModel.scale_logits(self, seen, labels, None)


def zeros(self, smaller, labels, cache):
    return torch.zeros(len(labels), self.patch_nums[len(smaller)] ** 2, CODES)


def masked_zeros(self, tokens, labels):
    return torch.zeros(*tokens.shape, CODES + 1)


def of_classes_alone(self, smaller, labels, cache):
    logits = TokenModel.scale_logits(self, smaller, labels, cache)
    return logits.masked_fill((labels == self.null_label)[:, None, None], float("nan"))


@pytest.mark.parametrize(("model", "message"), [
    (after("scale_logits", lambda logits: logits[:, 0]), "scale_logits gave (6, 4) for a side of 1"),
    (with_members(scale_logits=of_classes_alone), "the logits of side 1 are not finite"),
    (with_members(scale_logits=forgetful), "the logits of side 2 with and without cache differ by"),
    (with_members(scale_logits=zeros), "scale_logits bypasses the module's forward"),
])  # fmt: skip
def test_scales_that_break_a_promise_are_found(failure, model, message):
    assert failure(token_capabilities.check_next_scale, model, SPEC).startswith(message)


def of_known_tokens_alone(self, tokens, labels):
    logits = TokenModel.token_logits(self, tokens, labels)
    return logits / (~(tokens == self.mask_token).all()).float()


@pytest.mark.parametrize(("model", "message"), [
    (after("token_logits", lambda logits: logits[..., :-1]), "token_logits gave (6, 4, 4)"),
    (with_members(token_logits=of_known_tokens_alone), "logits are not finite with 4 of 4 tokens masked"),
    (with_members(token_logits=masked_zeros), "token_logits bypasses the module's forward"),
])  # fmt: skip
def test_masked_logits_that_break_a_promise_are_found(failure, model, message):
    assert failure(token_capabilities.check_masked_tokens, model, SPEC).startswith(message)
