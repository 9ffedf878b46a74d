"""Capabilities of models of discrete tokens, which `harness.capabilities` has too. Shapes and labels are written as there.

`L` is the number of tokens of an image, and `V` of codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Parameter


@runtime_checkable
class Tokens(Protocol):
    """Works on discrete tokens. A fixed tokenizer translates between tokens and images."""

    def encode(self, x: Tensor) -> Tensor:
        """Encode images (B, …) in [-1, 1] to tokens (B, L) int64. Raises: ValueError for images of another size.

        The tokens are the same inside of a step that autocasts: rounding would give other codes. See `precision.in_float32`.
        """
        ...

    def decode(self, tokens: Tensor) -> Tensor:
        """Decode tokens (B, L) to images (B, …) in [-1, 1]. Raises: ValueError for tokens outside the codebook."""
        ...


@runtime_checkable
class TakesTokens(Protocol):
    """Takes tokens (B, L) int64 wherever it takes images: in losses, likelihoods and their draws.

    So a method can train on samples of the model as they were drawn. As images they are decoded, and encoded again, which
    changes tokens wherever the decoder makes of a code what the encoder takes for another.
    """

    @property
    def tokens_per_image(self) -> int:
        """The number L of tokens of an image."""
        ...


class TokenizerTerms(NamedTuple):
    """The terms of a tokenizer's training loss at a batch of images.

    Args:
        reconstructed: (B, …), images, not clamped. Gradients pass the quantiser straight through to the encoder.
        commitment: (B,), mean squared distance of the latents to their codes, differentiable in the encoder alone.
        codebook: (B,), the same distance, differentiable in the codes alone.
        tokens: (B, L), the token of each latent.
        latents: (B, L, e), the latents before quantisation, detached. A method may move a code that is never used to one of them.
    """

    reconstructed: Tensor
    commitment: Tensor
    codebook: Tensor
    tokens: Tensor
    latents: Tensor


@runtime_checkable
class TrainsTokenizer(Protocol):
    """Has a tokenizer that is trained before the network. Its work does not count as evaluations of the network."""

    @property
    def codebook(self) -> Tensor:
        """The codes, (V, e), a parameter."""
        ...

    def tokenizer_parameters(self) -> Sequence[Parameter]:
        """Return all weights of the tokenizer, the codes included. Their `requires_grad` is False until a method changes it."""
        ...

    def tokenizer_terms(self, x: Tensor) -> TokenizerTerms:
        """Translate images x (B, …) in [-1, 1] to tokens and back. Raises: ValueError for images of another size."""
        ...


@runtime_checkable
class NextScale(Protocol):
    """Predicts all tokens of a scale at once, given the tokens of the smaller scales and a label."""

    @property
    def patch_nums(self) -> tuple[int, ...]:
        """The number of tokens along a side of each scale, smallest first.

        An image is the sequence of the tokens of all scales, from the smallest scale to the largest, each scale row by row.
        """
        ...

    @property
    def null_label(self) -> int:
        """The label that stands for no class, for guidance."""
        ...

    def new_cache(self) -> object:
        """Return an empty cache for one run through the scales."""
        ...

    def scale_logits(self, smaller: Sequence[Tensor], labels: Tensor, cache: object | None) -> Tensor:
        """Return the logits of the next scale, (B, p * p, V). p is the number of tokens along a side, and V of codes.

        Args:
            smaller: the tokens of each smaller scale, (B, p * p) with the p of that scale.
            labels: (B,), `null_label` for no class.
            cache: the cache that the calls for the smaller scales filled; None computes the smaller scales anew.
        """
        ...


@runtime_checkable
class MaskedTokens(Protocol):
    """Predicts every token of a square grid at once, given some of the tokens and a label."""

    @property
    def side(self) -> int:
        """The number of tokens along a side. An image is side * side tokens, row by row."""
        ...

    @property
    def mask_token(self) -> int:
        """The token that stands for an unknown token. Its index equals the number of codes."""
        ...

    @property
    def null_label(self) -> int:
        """The label that stands for no class, for guidance."""
        ...

    def token_logits(self, tokens: Tensor, labels: Tensor) -> Tensor:
        """Return the logits of every position, (B, L, codes + 1). The last logit is that of the mask token.

        Args:
            tokens: (B, L), `mask_token` where a token is unknown.
            labels: (B,), `null_label` for no class.
        """
        ...
