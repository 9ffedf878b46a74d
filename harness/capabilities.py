"""What a model can do. Methods and samplers name what they need; models name what they provide.

Every network evaluation goes through the module's `forward`, whose first argument has the batch in front: the harness
counts NFE there. `B` is the batch, `…` the data shape (`DataSpec.shape`). Labels are (B,) int64 in
[0, spec.classes), or None.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from torch.nn import Parameter


class Gaussian(NamedTuple):
    """A normal distribution with independent coordinates: `mean` (B, …), `std` broadcastable to it, above 0."""

    mean: Tensor
    std: Tensor


@runtime_checkable
class Trains(Protocol):
    """Has a pretraining loss."""

    def training_loss(self, x: Tensor, labels: Tensor | None, generator: torch.Generator) -> Tensor:
        """The loss of each example, (B,), differentiable; its mean is what pretraining minimises. x: (B, …)."""
        ...


@runtime_checkable
class TrainsInParts(Protocol):
    """Has a pretraining loss whose randomness can be drawn first, so that a batch can go through in micro-batches.

    `training_loss(x, labels, generator)` is `training_loss_at(x, labels, training_draw(x, generator))`.
    """

    def training_draw(self, x: Tensor, generator: torch.Generator) -> object:
        """The random part for a batch: None, a tensor with the batch in front, or a tuple of such."""
        ...

    def training_loss_at(self, x: Tensor, labels: Tensor | None, draw: object) -> Tensor:
        """The loss of each example at its row of the draw, (B,), differentiable. x: (B, …)."""
        ...


@runtime_checkable
class Likelihood(Protocol):
    """Has a log-likelihood, or a bound of it, estimated at one random draw that two networks can share."""

    def draw(self, x: Tensor, generator: torch.Generator) -> object:
        """The random part for a batch: times and noise, a mask, or None where the likelihood is exact."""
        ...

    def log_likelihood(self, x: Tensor, labels: Tensor | None, draw: object) -> Tensor:
        """(B,), nats summed over dimensions, up to a constant free of the weights; differentiable. A model of the same
        kind with other weights, given the same draw, gives a value whose difference is meaningful."""
        ...


@runtime_checkable
class Transitions(Protocol):
    """Samples by a chain of Gaussian steps. Step 0 starts from noise; step `transitions - 1` ends at the data."""

    @property
    def transitions(self) -> int:
        """Number of steps T."""
        ...

    def transition(self, x: Tensor, step: int | Tensor) -> Gaussian:
        """The distribution of the next state given the state x (B, …), differentiable in the weights.

        `step` is one index for all, or (B,) int64. The first state is standard normal.
        """
        ...


@runtime_checkable
class Denoises(Protocol):
    """Estimates clean data from noisy data, x + sigma * noise."""

    @property
    def sigma_range(self) -> tuple[float, float]:
        """Smallest and largest noise level to sample with, as standard deviations in units of the data."""
        ...

    def denoise(self, x: Tensor, sigma: Tensor, labels: Tensor | None) -> Tensor:
        """E[clean | noisy], (B, …). sigma: (B,) or 0-dim, above 0."""
        ...


@runtime_checkable
class Constrains(Protocol):
    """Keeps its weights on a set, as EDM2 does with their length. No method needs it; the loop does it for all."""

    def constrain(self) -> None:
        """Bring the weights back, in place, without a graph. Called before training and after each update."""
        ...


@runtime_checkable
class WorksInLatents(Protocol):
    """Generates latents of images, between which and the dataset's images a fixed autoencoder goes.

    No method needs it; the harness does it for all: training data are encoded once, what a step sees is drawn from that,
    samplers draw latents (so do banks), and what is measured and shown is decoded. All other capabilities of such a model
    are about latents: `task.spec` and the `spec` of samplers have their shape. Encoding and decoding count as no evaluations.
    """

    @property
    def latent_shape(self) -> tuple[int, ...]:
        """Shape of one example as the network sees it."""
        ...

    def autoencoder_identity(self) -> dict[str, object]:
        """All that encoded data depend on beside the images, as JSON values: settings, and the hash of the weights."""
        ...

    def encode_images(self, x: Tensor) -> Tensor:
        """What is kept of each image, (B, …), without gradients: moments, where the latents are random. x: (B, …) in [-1, 1]."""
        ...

    def draw_latents(self, kept: Tensor, generator: torch.Generator) -> Tensor:
        """(B, *latent_shape), float32: latents of what is kept of images. generator: on the CPU; all randomness."""
        ...

    def decode_latents(self, latents: Tensor) -> Tensor:
        """Latents (B, *latent_shape) -> images (B, …) in [-1, 1], without gradients."""
        ...


@runtime_checkable
class NoiseChain(Protocol):
    """Predicts the noise in sqrt(a_t) x + sqrt(1 - a_t) eps, where a_t is the running product of 1 - beta."""

    @property
    def chain_betas(self) -> Tensor:
        """(T,), float64, on the CPU: the variance that each forward step adds, least noisy first, in (0, 1)."""
        ...

    def predict_noise(self, x: Tensor, time: float | Tensor, labels: Tensor | None) -> Tensor:
        """E[eps | noisy], (B, …). time: one or (B,), in [0, T - 1], 0 = least noisy. Between two whole steps it is
        real-valued; a network that was given whole steps only answers for the nearest one."""
        ...


@runtime_checkable
class Tokens(Protocol):
    """Works on discrete tokens, between which and images a fixed tokenizer goes."""

    def encode(self, x: Tensor) -> Tensor:
        """Images (B, …) in [-1, 1] -> tokens (B, L) int64. Raises: ValueError for another image size."""
        ...

    def decode(self, tokens: Tensor) -> Tensor:
        """Tokens (B, L) -> images (B, …) in [-1, 1]. Raises: ValueError for tokens outside the codebook."""
        ...


class TokenizerTerms(NamedTuple):
    """What a tokenizer does with a batch of images, for training it.

    Args:
        reconstructed: (B, …), images, not clamped; gradients pass the quantiser straight through to the encoder.
        commitment: (B,), mean squared distance of the latents to their codes, differentiable in the encoder alone.
        codebook: (B,), the same distance, differentiable in what makes the codes alone.
        tokens: (B, L). latents: (B, L, e), what each token stands for, detached: where a code might well be.
    """

    reconstructed: Tensor
    commitment: Tensor
    codebook: Tensor
    tokens: Tensor
    latents: Tensor


@runtime_checkable
class TrainsTokenizer(Protocol):
    """Has a tokenizer that can be trained, which is done before the network is. Its work is no evaluation of the network."""

    @property
    def codebook(self) -> Tensor:
        """The codes, a parameter, (V, e)."""
        ...

    def tokenizer_parameters(self) -> Sequence[Parameter]:
        """All weights of the tokenizer, the codes included; they take no gradient until somebody asks for it."""
        ...

    def tokenizer_terms(self, x: Tensor) -> TokenizerTerms:
        """Images x (B, …) in [-1, 1] to tokens and back. Raises: ValueError for another image size."""
        ...


@runtime_checkable
class NullLabel(Protocol):
    """Knows a label of no class, beside those of the data: what guidance and label dropping use."""

    @property
    def null_label(self) -> int:
        """It may stand in the place of any label."""
        ...


@runtime_checkable
class NextScale(Protocol):
    """Gives all tokens of a scale at once, given the tokens of the smaller scales and a label."""

    @property
    def patch_nums(self) -> tuple[int, ...]:
        """Tokens a side of each scale, smallest first; an image is all scales' tokens, row-major, one by one."""
        ...

    @property
    def null_label(self) -> int:
        """The label of no class, for guidance."""
        ...

    def new_cache(self) -> object:
        """An empty cache for one run through the scales."""
        ...

    def scale_logits(self, smaller: Sequence[Tensor], labels: Tensor, cache: object | None) -> Tensor:
        """Logits of the next scale, (B, p * p, V), given the tokens (B, p * p) of each smaller one.

        labels: (B,), `null_label` for no class. cache: one that has seen the smaller scales; None computes them anew.
        """
        ...


@runtime_checkable
class MaskedTokens(Protocol):
    """Gives every token of a square grid at once, given some of them and a label."""

    @property
    def side(self) -> int:
        """Tokens a side; an image is side * side tokens, row-major."""
        ...

    @property
    def mask_token(self) -> int:
        """The token that stands for one that is not known: the number of codes."""
        ...

    @property
    def null_label(self) -> int:
        """The label of no class, for guidance."""
        ...

    def token_logits(self, tokens: Tensor, labels: Tensor) -> Tensor:
        """Logits of every position, (B, L, codes + 1), the last being the mask token's.

        tokens: (B, L), `mask_token` where unknown. labels: (B,), `null_label` for no class.
        """
        ...


def check_labels(labels: Tensor, classes: int) -> None:
    """Raises: ValueError unless all labels are in [0, classes], the last one being that of no class."""
    if labels.numel() and not 0 <= int(labels.min()) <= int(labels.max()) <= classes:
        low, high = int(labels.min()), int(labels.max())
        raise ValueError(f"labels run from {low} to {high}, but there are {classes} classes (and {classes} for none)")


PROTOCOLS = {
    protocol.__name__: protocol
    for protocol in (
        Trains,
        TrainsInParts,
        Likelihood,
        Transitions,
        Denoises,
        NoiseChain,
        Tokens,
        TrainsTokenizer,
        NullLabel,
        NextScale,
        MaskedTokens,
    )
}
