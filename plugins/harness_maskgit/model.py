"""MaskGIT as the harness uses it: it takes images, works on their tokens, and gives a bound of the likelihood."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple, Self, cast

import torch
from torch import Tensor, nn

from harness.capabilities import TokenizerTerms, check_labels
from harness.card_kernels import token_losses
from harness.components import ModelUsage
from harness.interfaces import DataSpec
from harness.streams import seeded
from harness.toolkit.classifier_free import all_null, wide
from harness.toolkit.codebook import are_tokens
from harness.training.precision import in_float32
from harness_maskgit import MaskGITConfig
from harness_maskgit.check import fits, tokenizer_file
from harness_maskgit.network_v1 import MaskGITv1
from harness_maskgit.network_v2 import MaskGITv2
from harness_maskgit.schedules import mask_probability
from harness_maskgit.tokenizer import VQGAN


class MaskDraw(NamedTuple):
    """The random part of the bound: `mask` (B, L) bool, True where a token is masked, and `weight` (B,), L / |M|."""

    mask: Tensor
    weight: Tensor


class TrainingDraw(NamedTuple):
    """The random part of the training loss of B images.

    Args:
        mask: (B, L) bool, True where a token is masked.
        dropped: (B,) bool, images whose label is the null class.
        seeds: (B,) int64, on the CPU; None without dropout and in eval mode. The first one seeds the dropout of all images of the
            draw. A micro-batch takes its rows, and so has a seed of its own: its masks are others than in the whole batch.
    """

    mask: Tensor
    dropped: Tensor
    seeds: Tensor | None


if TYPE_CHECKING:

    class _Network(nn.Module):
        """The members that the networks of both generations have."""

        config: MaskGITConfig
        classes: int
        codes: int
        tok_emb: nn.Embedding

        def __init__(self, config: MaskGITConfig, classes: int) -> None: ...

else:
    _Network = nn.Module


class WithTokenizer(_Network):
    """A model with a tokenizer, which translates between images and tokens. The weights of the tokenizer take no gradient.

    Provides Trains, TrainsInParts, Likelihood, Tokens, TakesTokens, TrainsTokenizer, NullLabel and MaskedTokens. Images are in
    [-1, 1]. The state dict has the published names of the transformer. The tokenizer's names follow the prefix `tokenizer.`.
    """

    tokenizer: VQGAN

    def __init__(self, config: MaskGITConfig, spec: DataSpec) -> None:
        super().__init__(config, spec.classes)
        self.spec = spec
        self.tokenizer = VQGAN(config.tokenizer, channels=spec.shape[0]).requires_grad_(False)

    @property
    def side(self) -> int:
        """Tokens a side."""
        return self.config.input_size

    @property
    def mask_token(self) -> int:
        """The token that stands in the place of unknown tokens."""
        return self.codes

    @property
    def null_label(self) -> int:
        """The label of no class."""
        return self.classes

    def token_logits(self, tokens: Tensor, labels: Tensor) -> Tensor:
        """Return the logits of every position, (B, L, K + 1). The arguments are those of the network's `forward`.

        Raises: ValueError for labels outside the classes.
        """
        check_labels(labels, self.classes)
        logits: Tensor = self(tokens, labels)
        return wide(logits)

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """Turn images (B, channels, H, W) into tokens (B, L) int64, row-major, in float32 inside of a step that autocasts, too.

        Raises: ValueError for another image size.
        """
        self._check_size(x)
        with in_float32(x.device):
            return self.tokenizer.encode(x.to(self.tok_emb.weight.dtype)).flatten(1)

    @torch.no_grad()
    def decode(self, tokens: Tensor) -> Tensor:
        """Turn tokens (B, L) into images (B, channels, H, W), clamped to [-1, 1].

        Raises: ValueError for tokens outside the codebook, or of another number.
        """
        if tokens.dim() != 2 or tokens.shape[1] != self.side**2:
            raise ValueError(f"tokens are {tuple(tokens.shape)}; {self.side} a side need (B, {self.side**2})")
        return self.tokenizer.decode(tokens.unflatten(1, (self.side, self.side))).clamp(-1, 1)

    @property
    def tokens_per_image(self) -> int:
        """Tokens of an image."""
        return self.side**2

    def _tokens_of(self, x: Tensor) -> Tensor:
        """Return the tokens of images; tokens (B, L) pass as they are. Raises: ValueError, as `encode` and `are_tokens` do."""
        return x if are_tokens(x, length=self.tokens_per_image, size=self.codes) else self.encode(x)

    @property
    def codebook(self) -> Tensor:
        """The tokenizer's codes, (V, e)."""
        return self.tokenizer.quantize.embedding.weight

    def tokenizer_parameters(self) -> list[nn.Parameter]:
        """Return all weights of the tokenizer."""
        return list(self.tokenizer.parameters())

    def tokenizer_terms(self, x: Tensor) -> TokenizerTerms:
        """Return what a training of the tokenizer needs; see `VQGAN.terms`. Raises: ValueError for another image size."""
        self._check_size(x)
        return self.tokenizer.terms(x)

    def training_loss(self, x: Tensor, labels: Tensor | None, generator: torch.Generator) -> Tensor:
        """Return the cross-entropy of each image, (B,): the mean over all its tokens, masked or not.

        With r uniform in [0, 1), every token is masked with probability m(r) (`schedules.mask_probability`). Labels become the
        null class with probability `drop_label`. The classes of the cross-entropy are the codes and the mask token.
        Source: both published training codes; Chang et al. 2022, Eq. 1, have the mean over masked tokens alone.
        """
        return self.training_loss_at(x, labels, self.training_draw(x, generator))

    def training_draw(self, x: Tensor, generator: torch.Generator) -> TrainingDraw:
        """Draw the masks, which images lose their label, and seeds of dropout."""
        uniform = torch.rand(len(x), 1, generator=generator)
        share = mask_probability(self.config.schedule, uniform, generation=self.config.generation)
        mask = torch.rand(len(x), self.tokens_per_image, generator=generator) < share
        dropped = torch.rand(len(x), generator=generator) < self.config.drop_label
        drops = self.training and self.config.dropout > 0
        seeds = torch.randint(1 << 62, (), generator=generator) + torch.arange(len(x)) if drops else None
        return TrainingDraw(mask.to(x.device), dropped.to(x.device), seeds)

    def training_loss_at(self, x: Tensor, labels: Tensor | None, draw: object) -> Tensor:
        """Return the loss of each image, (B,), at a draw of `training_draw`."""
        mask, dropped, seeds = cast(TrainingDraw, draw)
        tokens = self._tokens_of(x)
        labels = torch.where(dropped, self.null_label, self._labels_or_null(labels, tokens))
        masked = torch.where(mask, self.mask_token, tokens)
        return self.losses(self._with_dropout(masked, labels, None if seeds is None else int(seeds[0])), tokens).mean(1)

    def losses(self, logits: Tensor, tokens: Tensor) -> Tensor:
        """Return the cross-entropy of each token, (B, L), with the label smoothing of the settings."""
        return token_losses(logits, tokens, label_smoothing=self.config.label_smoothing)

    def draw(self, x: Tensor, generator: torch.Generator) -> MaskDraw:
        """Draw a mask for each image: |M| is uniform in 1 … L, and M is uniform among the sets of |M| tokens."""
        length = self.side**2
        number = torch.randint(1, length + 1, (len(x), 1), generator=generator)
        rank = torch.rand(len(x), length, generator=generator).argsort(1).argsort(1)
        return MaskDraw((rank < number).to(x.device), (length / number.squeeze(1)).to(x.device))

    def log_likelihood(self, x: Tensor, labels: Tensor | None, draw: object) -> Tensor:
        """Return L / |M| times the sum of log p(x_i | x outside M, label) over the masked tokens i in M, (B,), nats.

        Its mean over masks is the any-order autoregressive bound. Draw the tokens in a random order s, with L places:

            log p(x) >= E_s sum over t of log p(x_s(t) | x_s(<t))                 (Jensen's inequality over orders)
                      = L E_t E_s log p(x_s(t) | x_s(<t))                         (t uniform in 1 … L)
                      = L E_t E_s 1 / (L - t + 1) sum over i in s(>=t) of log p(x_i | x_s(<t)),

        since each token that is still to come is as likely to be the next one. These are the masked ones, so |M| = L - t + 1.
        It is the bound of absorbing diffusion, too. The distributions are over the codes alone: with some probability on the mask
        token, which no image has, they would not sum to 1 over images.
        Source: Uria et al. 2014; Hoogeboom et al. 2022, Eq. 5.
        """
        mask, weight = cast(MaskDraw, draw)
        tokens = self._tokens_of(x)
        log_p = self.token_log_probs(tokens, mask, labels)
        return weight * (log_p * mask).sum(1)

    def token_log_probs(self, tokens: Tensor, mask: Tensor, labels: Tensor | None) -> Tensor:
        """Return log p of each token (B, L) given the tokens outside the mask and the label, among the codes: (B, L), nats."""
        logits = self.token_logits(torch.where(mask, self.mask_token, tokens), self._labels_or_null(labels, tokens))
        return logits[..., : self.codes].log_softmax(-1).gather(-1, tokens[..., None]).squeeze(-1)

    def _check_size(self, x: Tensor) -> None:
        if x.shape[1:] != self.spec.shape:
            raise ValueError(f"images are {tuple(x.shape[1:])}, but the model makes {self.spec.shape}")

    def _labels_or_null(self, labels: Tensor | None, tokens: Tensor) -> Tensor:
        return all_null(len(tokens), self.null_label, tokens.device) if labels is None else labels

    def _with_dropout(self, tokens: Tensor, labels: Tensor, seed: int | None) -> Tensor:
        """Return the logits, under the dropout of a seed if there is one."""
        if seed is None:
            return self.token_logits(tokens, labels)
        with seeded(seed, tokens.device):
            return self.token_logits(tokens, labels)

    def train(self, mode: bool = True) -> Self:
        """Set the transformer's mode. The tokenizer stays in eval mode, since it is not trained with it."""
        super().train(mode)
        self.tokenizer.eval()
        return self


class FirstModel(WithTokenizer, MaskGITv1):
    """The first generation with its tokenizer."""


class SecondModel(WithTokenizer, MaskGITv2):
    """The second generation with its tokenizer.

    The head's weight is the tokens' embedding. The state dict has it once, as the embedding, so that code which changes weights
    by their names cannot make the two differ; files that have both load too.
    """

    def state_dict(self, *arguments: object, **options: object) -> dict[str, Tensor]:  # type: ignore[override]
        """Return torch's state dict without the second name of the embedding."""
        state: dict[str, Tensor] = super().state_dict(*arguments, **options)  # type: ignore[call-overload]
        del state[f"{options.get('prefix', '')}head.weight"]
        return state

    def load_state_dict(self, state_dict: Mapping[str, Tensor], strict: bool = True, assign: bool = False) -> object:
        """Load as torch does, from state dicts with the head's weight or without."""
        both = dict(state_dict)
        if "tok_emb.weight" in both:
            both["head.weight"] = both["tok_emb.weight"]
        return super().load_state_dict(both, strict=strict, assign=assign)


def build(config: MaskGITConfig, spec: DataSpec) -> WithTokenizer:
    """Make a MaskGIT with random weights, and with the tokenizer's weights from its file where the settings name one.

    Raises: UserError for images of another size than the tokens give, or a file of another tokenizer.
    """
    fits(config, ModelUsage(spec))
    model = FirstModel(config, spec) if config.generation == "v1" else SecondModel(config, spec)
    if config.tokenizer.weights is not None:
        tokenizer_file(config.tokenizer).load(model.tokenizer)
    return model
