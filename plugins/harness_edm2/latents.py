"""Latents of the Stability VAE (diffusers' `AutoencoderKL`) as EDM2's ImageNet-512 networks see them.

The networks see z' = (z - mean) / std * 0.5 of each channel of the VAE's latents z, so that z' has mean 0 and the standard
deviation `sigma_data`, 0.5, over the data. Source: Karras et al. 2024, appendix.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from harness_edm2 import LATENT_MEANS as MEANS
from harness_edm2 import LATENT_STDS as STDS

SIGMA_DATA = 0.5


def _scale_and_bias(like: Tensor, means: Sequence[float] = MEANS, stds: Sequence[float] = STDS) -> tuple[Tensor, Tensor]:
    # z' = z * scale + bias
    scale = SIGMA_DATA / torch.tensor(stds, dtype=torch.float32)
    bias = -torch.tensor(means, dtype=torch.float32) * scale
    return scale.to(like).view(1, -1, 1, 1), bias.to(like).view(1, -1, 1, 1)


def scale() -> Tensor:
    """Return the factor of each channel of the Stability VAE, (4,)."""
    return _scale_and_bias(torch.zeros(()))[0].flatten()


def bias() -> Tensor:
    """Return what is added to each channel of the Stability VAE after the factor, (4,)."""
    return _scale_and_bias(torch.zeros(()))[1].flatten()


def draw_latents(stored: Tensor, noise: Tensor, *, means: Sequence[float] = MEANS, stds: Sequence[float] = STDS) -> Tensor:
    """Draw from the VAE's posterior of each image, and scale the latents for the network, (B, C, h, w).

    Args:
        stored: (B, 2 C, h, w), the posterior's means, then its standard deviations, of images in [0, 1].
        noise: (B, C, h, w), standard normal.
        means, stds: of each channel over the training images; by default those of the Stability VAE on ImageNet.
    """
    mean, std = stored.chunk(2, dim=1)
    factor, shift = _scale_and_bias(stored, means, stds)
    return (mean + std * noise) * factor + shift


def to_vae(latents: Tensor, *, means: Sequence[float] = MEANS, stds: Sequence[float] = STDS) -> Tensor:
    """Undo the scaling of `draw_latents`. Returns: (B, C, h, w), which the VAE decodes to images in [0, 1]."""
    factor, shift = _scale_and_bias(latents, means, stds)
    return (latents - shift) / factor
