"""Latents of the Stability VAE (diffusers' `AutoencoderKL`) as EDM2's ImageNet-512 networks see them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from harness_edm2 import LATENT_MEANS as MEANS
from harness_edm2 import LATENT_STDS as STDS

SIGMA_DATA = 0.5


def _scale_and_bias(like: Tensor, means: Sequence[float] = MEANS, stds: Sequence[float] = STDS) -> tuple[Tensor, Tensor]:
    scale = SIGMA_DATA / torch.tensor(stds, dtype=torch.float32)
    bias = -torch.tensor(means, dtype=torch.float32) * scale
    return scale.to(like).view(1, -1, 1, 1), bias.to(like).view(1, -1, 1, 1)


def scale() -> Tensor:
    """What multiplies each channel, (4,)."""
    return _scale_and_bias(torch.zeros(()))[0].flatten()


def bias() -> Tensor:
    """What is then added to each channel, (4,)."""
    return _scale_and_bias(torch.zeros(()))[1].flatten()


def draw_latents(stored: Tensor, noise: Tensor, *, means: Sequence[float] = MEANS, stds: Sequence[float] = STDS) -> Tensor:
    """Latents of mean 0 and standard deviation 0.5.

    Args:
        stored: (B, 2 C, h, w), the VAE's means, then its standard deviations, of images in [0, 1].
        noise: (B, C, h, w), standard normal.
        means, stds: of each channel over the training images; Stability's on ImageNet by default.
    """
    mean, std = stored.chunk(2, dim=1)
    factor, shift = _scale_and_bias(stored, means, stds)
    return (mean + std * noise) * factor + shift


def to_vae(latents: Tensor, *, means: Sequence[float] = MEANS, stds: Sequence[float] = STDS) -> Tensor:
    """What the VAE decodes, (B, C, h, w), to images in [0, 1]."""
    factor, shift = _scale_and_bias(latents, means, stds)
    return (latents - shift) / factor
