"""Latents of the Stability VAE (diffusers' `AutoencoderKL`) as EDM2's ImageNet-512 networks see them."""

from __future__ import annotations

import torch
from torch import Tensor

VAE = "stabilityai/sd-vae-ft-mse"
DOWNSCALE = 8
MEANS = (5.81, 3.25, 0.12, -2.15)
STDS = (4.17, 4.62, 3.71, 3.28)
"""Mean and standard deviation of each channel over the training images."""

SIGMA_DATA = 0.5


def _scale_and_bias(like: Tensor) -> tuple[Tensor, Tensor]:
    scale = SIGMA_DATA / torch.tensor(STDS, dtype=torch.float32)
    bias = -torch.tensor(MEANS, dtype=torch.float32) * scale
    return scale.to(like).view(1, -1, 1, 1), bias.to(like).view(1, -1, 1, 1)


def scale() -> Tensor:
    """What multiplies each channel, (4,)."""
    return _scale_and_bias(torch.zeros(()))[0].flatten()


def bias() -> Tensor:
    """What is then added to each channel, (4,)."""
    return _scale_and_bias(torch.zeros(()))[1].flatten()


def draw_latents(stored: Tensor, noise: Tensor) -> Tensor:
    """Latents of mean 0 and standard deviation 0.5.

    Args:
        stored: (B, 8, h, w), the VAE's means, then its standard deviations, of images in [0, 1].
        noise: (B, 4, h, w), standard normal.
    """
    mean, std = stored.chunk(2, dim=1)
    factor, shift = _scale_and_bias(stored)
    return (mean + std * noise) * factor + shift


def to_vae(latents: Tensor) -> Tensor:
    """What the VAE decodes, (B, 4, h, w), to images in [0, 1]."""
    factor, shift = _scale_and_bias(latents)
    return (latents - shift) / factor
