"""VAR as the harness uses it: it takes images, works on their tokens, and gives an exact likelihood."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Self, cast

import torch
from torch import Tensor, nn

from harness.capabilities import TokenizerTerms, check_labels
from harness.card_kernels import token_losses
from harness.components import ModelUsage
from harness.interfaces import DataSpec
from harness.toolkit.classifier_free import all_null, wide
from harness.toolkit.codebook import are_tokens
from harness.training.precision import in_float32
from harness_var import VARConfig
from harness_var.check import fits, tokenizer_file
from harness_var.network import CONSTANTS, Cache, VARTransformer
from harness_var.tokenizer import VQVAE


class TrainingDraw(NamedTuple):
    """The random part of the training loss of B images.

    Args:
        dropped: (B,) bool, images whose label is the null class.
        keep: (B, depth, 2), factors of the branches; None without stochastic depth.
    """

    dropped: Tensor
    keep: Tensor | None


class ScaleCache(Cache):
    """Keys and values, and `total`, the sum of the latents of the tokens so far, (B, Cv, H, W)."""

    total: Tensor | None = None


class VAR(VARTransformer):
    """The transformer with its tokenizer, whose weights take no gradient.

    Provides Trains, TrainsInParts, Likelihood, Tokens, TakesTokens, TrainsTokenizer, NullLabel and NextScale. Images are in
    [-1, 1]. The state dict has the published names of the transformer, without its two constant tables, and those of the
    tokenizer after `tokenizer.`; files with the tables load too.
    """

    def __init__(self, config: VARConfig, spec: DataSpec) -> None:
        # No constants in the state dict: averages and differences of weights would make NaN of the mask's infinities.
        tokenizer = config.tokenizer
        super().__init__(config, spec.classes, tokenizer.vocab_size, tokenizer.z_channels, constants=False)
        self.spec = spec
        self.tokenizer = VQVAE(tokenizer, config.patch_nums, channels=spec.shape[0]).requires_grad_(False)

    @property
    def patch_nums(self) -> tuple[int, ...]:
        """Side of each scale, in tokens."""
        return self.config.patch_nums

    @property
    def null_label(self) -> int:
        """The label of no class."""
        return self.classes

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """Turn images (B, channels, H, W) into tokens (B, L) int64, in float32 inside of a step that autocasts, too.

        Raises: ValueError for another image size.
        """
        with in_float32(x.device):
            return self.tokenizer.encode(x.to(self.head.weight.dtype))

    @torch.no_grad()
    def decode(self, tokens: Tensor) -> Tensor:
        """Turn tokens (B, L) into images (B, channels, H, W) in [-1, 1]. Raises: ValueError as `VQVAE.scales` does."""
        return self.tokenizer.decode(tokens)

    @property
    def tokens_per_image(self) -> int:
        """Tokens of an image, over all scales."""
        return sum(side**2 for side in self.patch_nums)

    def _tokens_of(self, x: Tensor) -> Tensor:
        """Return the tokens of images; tokens (B, L) pass as they are. Raises: ValueError, as `encode` and `are_tokens` do."""
        return x if are_tokens(x, length=self.tokens_per_image, size=self.config.tokenizer.vocab_size) else self.encode(x)

    def _teacher_input(self, tokens: Tensor) -> Tensor:
        """Return the transformer's input for tokens (B, L), a part of the tokenizer, which does not autocast either."""
        with in_float32(tokens.device):
            return self.tokenizer.teacher_input(tokens)

    @property
    def codebook(self) -> Tensor:
        """The tokenizer's codes, (V, Cv)."""
        return self.tokenizer.quantize.embedding.weight

    def tokenizer_parameters(self) -> list[nn.Parameter]:
        """Return all weights of the tokenizer."""
        return list(self.tokenizer.parameters())

    def tokenizer_terms(self, x: Tensor) -> TokenizerTerms:
        """Return what a training of the tokenizer needs; see `VQVAE.terms`."""
        return self.tokenizer.terms(x)

    def training_loss(self, x: Tensor, labels: Tensor | None, generator: torch.Generator) -> Tensor:
        """Return the cross-entropy of each image, (B,), the mean over its tokens.

        Labels become the null class with probability `cond_drop_rate`. In train mode stochastic depth drops branches.
        Source: Tian et al. 2024, the published training settings.
        """
        return self.training_loss_at(x, labels, self.training_draw(x, generator))

    def training_draw(self, x: Tensor, generator: torch.Generator) -> TrainingDraw:
        """Draw which images lose their label and which branches."""
        dropped = torch.rand(len(x), generator=generator) < self.config.cond_drop_rate
        keep = self._keep(len(x), generator)
        return TrainingDraw(dropped.to(x.device), None if keep is None else keep.to(x.device))

    def training_loss_at(self, x: Tensor, labels: Tensor | None, draw: object) -> Tensor:
        """Return the loss of each image, (B,), at a draw of `training_draw`."""
        dropped, keep = cast(TrainingDraw, draw)
        labels = torch.where(dropped, self.null_label, self._labels_or_null(labels, len(x), x.device))
        tokens = self._tokens_of(x)
        logits = self(self._teacher_input(tokens), labels, keep=keep)
        return token_losses(wide(logits), tokens, label_smoothing=self.config.label_smoothing).mean(1)

    def draw(self, x: Tensor, generator: torch.Generator) -> None:
        """Return None: the likelihood is exact, and has no random part."""

    def log_likelihood(self, x: Tensor, labels: Tensor | None, draw: object) -> Tensor:
        """Return log p(tokens of x | label), (B,), nats: the sum over the scales k of log p(r_k | r_1 … r_{k-1}, label).

        It is the exact likelihood of the pyramid of tokens that the tokenizer gives (Tian et al. 2024, Eq. 6), not of pixels: one
        pass with the true smaller scales as input gives all terms. Without labels the null class stands in.
        """
        return self.token_log_probs(self._tokens_of(x), labels).sum(1)

    def token_log_probs(self, tokens: Tensor, labels: Tensor | None) -> Tensor:
        """Return log p of each token (B, L) given the smaller scales and the label, (B, L), nats.

        Raises: ValueError for tokens outside the codebook or of another number than the scales have, and for labels outside
            the classes.
        """
        logits = self(self._teacher_input(tokens), self._labels_or_null(labels, len(tokens), tokens.device))
        return wide(logits).log_softmax(-1).gather(-1, tokens[..., None]).squeeze(-1)

    def new_cache(self) -> ScaleCache:
        """Return an empty cache for one run through the scales."""
        return ScaleCache(self.config.depth)

    def scale_logits(self, smaller: Sequence[Tensor], labels: Tensor, cache: object | None) -> Tensor:
        """Return the logits of the next scale, (B, p * p, V).

        Args:
            smaller: tokens of all smaller scales, (B, p * p) each. labels: (B,), with `null_label` for no class.
            cache: from `new_cache`, after the calls for the smaller scales; None computes these anew.
        Raises: ValueError for labels outside the classes.
        """
        check_labels(labels, self.classes)
        quantize, scale = self.tokenizer.quantize, len(smaller)
        if scale == 0:
            x = self.head.weight.new_empty(len(labels), 0, self.config.tokenizer.z_channels)
        elif isinstance(cache, ScaleCache):
            detail = quantize.detail(smaller[-1], scale - 1)
            cache.total = detail if cache.total is None else cache.total + detail
            x = quantize.next_input(cache.total, scale)
        else:
            x = quantize.teacher_input(smaller)
        logits: Tensor = self(x, labels, cache=cache)
        return wide(logits[:, -self.lengths[scale] :])

    def load_state_dict(self, state_dict: Mapping[str, Tensor], strict: bool = True, assign: bool = False) -> object:
        """Load as torch does, without the constant tables of published files: they follow from the settings."""
        weights = {name: value for name, value in state_dict.items() if name not in CONSTANTS}
        return super().load_state_dict(weights, strict=strict, assign=assign)

    def train(self, mode: bool = True) -> Self:
        """Set the transformer's mode. The tokenizer stays in eval mode, since it is not trained with it."""
        super().train(mode)
        self.tokenizer.eval()
        return self

    def _labels_or_null(self, labels: Tensor | None, n: int, device: torch.device) -> Tensor:
        if labels is None:
            return all_null(n, self.null_label, device)
        check_labels(labels, self.classes)
        return labels

    def _keep(self, n: int, generator: torch.Generator) -> Tensor | None:
        """Draw the factors of the branches, (n, depth, 2): 0 where dropped, 1 / (1 - rate) where kept; None in eval mode.

        Kept branches are scaled so that the mean over draws is the whole network (stochastic depth, Huang et al. 2016).
        """
        if not self.training or self.config.drop_path_rate == 0:
            return None
        rates = torch.linspace(0, self.config.drop_path_rate, self.config.depth)[:, None]
        kept = torch.rand(n, self.config.depth, 2, generator=generator) >= rates
        return kept / (1 - rates)


def build(config: VARConfig, spec: DataSpec) -> VAR:
    """Make a VAR with random weights, and with the tokenizer's weights from its file where the settings name one.

    Raises: UserError for images of another size than the scales give, or a file of another tokenizer.
    """
    fits(config, ModelUsage(spec))
    model = VAR(config, spec)
    if config.tokenizer.weights is not None:
        tokenizer_file(config.tokenizer).load(model.tokenizer)
    return model
