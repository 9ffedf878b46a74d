"""Capabilities: what a model can do. Models name what they provide; methods and samplers name what they need.

Every evaluation of the network goes through the `forward` of the module, because the harness counts network function evaluations
(NFE) there. The first argument of `forward` has the batch as its first axis. In shapes, `B` is the batch size and `…` the shape
of one example (`DataSpec.shape`). Labels are (B,) int64 in [0, spec.classes), or None.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, runtime_checkable

from harness.token_capabilities import MaskedTokens as MaskedTokens
from harness.token_capabilities import NextScale as NextScale
from harness.token_capabilities import TakesTokens as TakesTokens
from harness.token_capabilities import TokenizerTerms as TokenizerTerms
from harness.token_capabilities import Tokens as Tokens
from harness.token_capabilities import TrainsTokenizer as TrainsTokenizer

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class Gaussian(NamedTuple):
    """A normal distribution with independent coordinates: `mean` (B, …), and `std` above 0, which broadcasts to the mean."""

    mean: Tensor
    std: Tensor


@runtime_checkable
class Trains(Protocol):
    """Has a pretraining loss."""

    def training_loss(self, x: Tensor, labels: Tensor | None, generator: torch.Generator) -> Tensor:
        """Return the loss of each example, (B,), differentiable. Pretraining minimises the mean over the batch. x: (B, …)."""
        ...


@runtime_checkable
class TrainsInParts(Protocol):
    """Has a pretraining loss whose randomness can be drawn first, so that a batch can be cut into micro-batches.

    `training_loss(x, labels, generator)` equals `training_loss_at(x, labels, training_draw(x, generator))`.
    """

    def training_draw(self, x: Tensor, generator: torch.Generator) -> object:
        """Draw the random part of the loss of a batch: None, a tensor with the batch as first axis, or a tuple of such."""
        ...

    def training_loss_at(self, x: Tensor, labels: Tensor | None, draw: object) -> Tensor:
        """Return the loss of each example, computed with its row of the draw: (B,), differentiable. x: (B, …)."""
        ...


@runtime_checkable
class TakesAugmentation(Protocol):
    """Takes labels that say how training images were augmented, beside what `TrainsInParts` takes.

    So it learns from augmented images, and draws images as they are: without labels it computes what labels of zero give. No
    method needs this capability: a board's setting `augment` does.
    """

    @property
    def augmentation_labels(self) -> int:
        """The number of labels of an image that the network takes; 0 where its settings leave no place for them."""
        ...

    def augmented_loss_at(self, x: Tensor, labels: Tensor | None, draw: object, augmentation: Tensor) -> Tensor:
        """Return what `training_loss_at` returns, of images that were augmented: (B,), differentiable.

        Args:
            augmentation: (B, augmentation_labels), float32. Zeros give the value of `training_loss_at`.
        """
        ...


@runtime_checkable
class Likelihood(Protocol):
    """Has a log-likelihood or a bound on it. Its randomness is drawn first, so that two networks can use the same draw."""

    def draw(self, x: Tensor, generator: torch.Generator) -> object:
        """Draw the random part of the likelihood of a batch: times and noise, a mask, or None for an exact likelihood."""
        ...

    def log_likelihood(self, x: Tensor, labels: Tensor | None, draw: object) -> Tensor:
        """Return log p of each example, (B,), in nats, summed over dimensions. The value is differentiable in the weights.

        A diffusion model returns the terms of its pretraining loss, negative: where their weights are not those of the bound,
        the value is a score in place of log p, and not in nats.
        A constant that does not depend on the weights may be left out. So the difference between two models of one kind, at the
        same draw, estimates the log-ratio of their densities.
        """
        ...


class BoundWeighting(NamedTuple):
    """The weight of each noise level in a bound of the log-likelihood, and where the levels are drawn.

    Args:
        weight: "model", as in the model's `log_likelihood`; "simple", 1 for the squared error of the noise; "edm", the weight of
            EDM's training loss; "elbo", the weight of the bound itself, so that values are in nats.
        p_mean, p_std: mean and standard deviation of ln(sigma); None for the model's own. "elbo" has levels of its own.
    """

    weight: Literal["model", "simple", "edm", "elbo"] = "model"
    p_mean: float | None = None
    p_std: float | None = None


@runtime_checkable
class WeightedBound(Protocol):
    """Has a bound with one term for each noise level or step, whose weight can be chosen.

    A model that also has the capability `Denoises` takes every weighting. Any other model has steps in the place of noise levels,
    drawn uniformly, and takes the weights "model", "simple" and "elbo" without `p_mean` and `p_std`.
    """

    def draw_weighted(self, x: Tensor, generator: torch.Generator, weighting: BoundWeighting) -> object:
        """Draw the random part of the bound's term for each example of x (B, …)."""
        ...

    def weighted_bound(self, x: Tensor, labels: Tensor | None, draw: object, weighting: BoundWeighting) -> Tensor:
        """Return the term of each example at its draw, (B,), summed over dimensions, differentiable in the weights.

        With the weight "elbo" its mean over draws is a lower bound of log p in nats, up to a constant that does not depend on the
        network's weights. With other weights it is neither in nats nor a bound.
        """
        ...


@runtime_checkable
class Transitions(Protocol):
    """Samples by a chain of T Gaussian steps. Step 0 starts from noise, and step T - 1 ends at the data."""

    @property
    def transitions(self) -> int:
        """The number of steps T."""
        ...

    def transition(self, x: Tensor, step: int | Tensor) -> Gaussian:
        """Return the distribution of the next state given the state x (B, …), differentiable in the weights.

        The state before step 0 is standard normal.

        Args:
            step: one index for all examples, or (B,) int64, in [0, T - 1].
        """
        ...


@runtime_checkable
class Denoises(Protocol):
    """Estimates clean data from noisy data, x + sigma * noise."""

    @property
    def sigma_range(self) -> tuple[float, float]:
        """The smallest and the largest noise level to sample with, as standard deviations in units of the data."""
        ...

    def denoise(self, x: Tensor, sigma: Tensor, labels: Tensor | None) -> Tensor:
        """Return E[clean | noisy], (B, …). sigma: (B,) or 0-dim, above 0."""
        ...


@runtime_checkable
class Constrains(Protocol):
    """Keeps its weights in a constraint set. EDM2, for example, keeps the norm of its weight vectors fixed.

    No method needs this capability: the training loop calls `constrain` for all methods.
    """

    def constrain(self) -> None:
        """Project the weights onto the set, in place, without gradients. Called before training and after each step."""
        ...


@runtime_checkable
class WorksInLatents(Protocol):
    """Generates latents. A fixed autoencoder translates between latents and the images of the dataset.

    No method needs this capability, because the harness translates for all methods. The harness encodes the training data once,
    and draws the latents of each step from the encoded data. Samplers draw latents, and banks hold latents. The harness decodes
    samples before it measures or shows them. All other capabilities of such a model work on latents: `task.spec`, and the `spec`
    that samplers get, have the shape of latents. Encoding and decoding do not count as evaluations of the network.
    """

    @property
    def latent_shape(self) -> tuple[int, ...]:
        """The shape of one example as the network gets it."""
        ...

    def autoencoder_identity(self) -> dict[str, object]:
        """Return all that encoded data depend on except the images and the code, as JSON values: settings, hash of the weights.

        Raise the model's version where the code encodes otherwise.
        """
        ...

    def encode_images(self, x: Tensor) -> Tensor:
        """Encode images x (B, …) in [-1, 1], without gradients.

        Returns: (B, …), the latents of each image, or the moments of their distribution where latents are random.
        """
        ...

    def draw_latents(self, kept: Tensor, generator: torch.Generator) -> Tensor:
        """Draw latents (B, *latent_shape), float32, from what `encode_images` returned.

        Args:
            generator: the only source of randomness, on the CPU.
        """
        ...

    def decode_latents(self, latents: Tensor) -> Tensor:
        """Decode latents (B, *latent_shape) to images (B, …) in [-1, 1], without gradients."""
        ...


@runtime_checkable
class NoiseChain(Protocol):
    """Predicts the noise eps in sqrt(a_t) x + sqrt(1 - a_t) eps, where a_t is the product of 1 - beta over steps 0 to t."""

    @property
    def chain_betas(self) -> Tensor:
        """The variance that each forward step adds, (T,), float64, on the CPU, in (0, 1), least noisy step first."""
        ...

    def predict_noise(self, x: Tensor, time: float | Tensor, labels: Tensor | None) -> Tensor:
        """Return E[eps | noisy], (B, …).

        Args:
            time: one number or (B,), in [0, T - 1]; 0 is the least noisy step. The time may lie between two steps. A network
                that was trained at whole steps then predicts for the nearest step.
        """
        ...


@runtime_checkable
class NullLabel(Protocol):
    """Has a label that stands for no class, beside the labels of the data. Guidance and label dropping use it."""

    @property
    def null_label(self) -> int:
        """The label that stands for no class. It may take the place of any label."""
        ...


def check_labels(labels: Tensor, classes: int) -> None:
    """Raises: ValueError unless all labels are in [0, classes]; the label `classes` stands for no class.

    Labels on the meta device have no values, and pass.
    """
    if labels.numel() and not labels.is_meta and not 0 <= int(labels.min()) <= int(labels.max()) <= classes:
        low, high = int(labels.min()), int(labels.max())
        raise ValueError(f"labels run from {low} to {high}, but there are {classes} classes (and {classes} for none)")


PROTOCOLS = {
    protocol.__name__: protocol
    for protocol in (
        Trains,
        TrainsInParts,
        TakesAugmentation,
        Likelihood,
        WeightedBound,
        Transitions,
        Denoises,
        NoiseChain,
        Tokens,
        TrainsTokenizer,
        NullLabel,
        NextScale,
        MaskedTokens,
        TakesTokens,
    )
}
