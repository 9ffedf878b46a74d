"""Denoisers of images, as EDM and EDM2 have them: labels, and the preconditioning around a raw network."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.interfaces import DataSpec
from harness.toolkit.denoising import ChainLevels, DenoisingObjective, GaussianChain, column, scalings


class ImageDenoiser(GaussianChain, DenoisingObjective, nn.Module):
    """A denoiser of images, conditional where the data has classes and the settings do not forbid it.

    Provides Trains, TrainsInParts, Likelihood, Denoises and, without labels, Transitions. A subclass builds a raw network of
    `self.classes` classes in its `__init__`, and calls `preconditioned` in its `forward`.

    Args:
        config: the settings, noise levels among them.
        spec: the images.
    """

    config: ChainLevels

    def __init__(self, config: ChainLevels, spec: DataSpec) -> None:
        super().__init__()
        self.config, self.spec = config, spec
        self.classes = spec.classes if config.is_conditional else 0
        self.takes_labels = self.classes > 0

    def preconditioned(
        self, network: Callable[[Tensor, Tensor, Tensor | None], Tensor], x: Tensor, sigma: Tensor, class_labels: Tensor | None
    ) -> Tensor:
        """D(x; sigma) = c_skip x + c_out F(c_in x; c_noise) (Karras et al. 2022, Eq. 7), (B, C, R, R), float32.

        Args:
            network: F. It is called with the scaled images, c_noise (B,) or (1,), and rows of class labels or None.
            x: noisy images, (B, C, R, R).
            sigma: noise levels, (B,), or 0-dim for one level, above 0, in units of the data.
            class_labels: (B, classes), one-hot or mixtures. Without them a conditional network is given a row of zeros.
        """
        x, sigma = x.float(), sigma.float().view(-1)
        # One level for all stays of length 1, so that the network computes its embedding once.
        c_skip, c_out, c_in, c_noise = scalings(column(sigma, x), self.config.sigma_data)
        rows = None
        if self.classes:
            rows = x.new_zeros(1, self.classes) if class_labels is None else class_labels.float().view(-1, self.classes)
        return c_skip * x + c_out * network(c_in * x, c_noise.flatten(), rows)

    def denoise(self, x: Tensor, sigma: Tensor, labels: Tensor | None) -> Tensor:
        """E[clean | noisy], (B, C, R, R), float32. sigma: (B,) or 0-dim, above 0; labels: (B,) int64, or None."""
        denoised: torch.Tensor = self(x, sigma, self.class_rows(labels))
        return denoised

    def class_rows(self, labels: Tensor | None) -> Tensor | None:
        """Return labels (B,) as rows (B, classes), one-hot; None without labels, and for a network without classes."""
        return functional.one_hot(labels, self.classes) if self.classes and labels is not None else None
