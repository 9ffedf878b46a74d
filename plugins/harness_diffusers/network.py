"""A diffusion chain around diffusers' own U-Net."""

from __future__ import annotations

import torch
from diffusers import UNet2DModel
from torch import Tensor

from harness.interfaces import DataSpec
from harness.toolkit.chains.chain import ShortChain
from harness_diffusers import UNet2DConfig


class DiffusersDDPM(ShortChain, UNet2DModel):
    """A diffusion chain of T steps around a `UNet2DModel`, and a sampling chain of S steps.

    Provides Trains, TrainsInParts, Likelihood, Transitions and NoiseChain. The model is unconditional: labels are ignored.
    Images are in [-1, 1]. The module is the library's network itself, so the state dict has the library's names.
    Raises: ValueError for settings that the library refuses together.
    """

    def __init__(self, config: UNet2DConfig, spec: DataSpec) -> None:
        channels, size = spec.shape[0], spec.shape[1]
        UNet2DModel.__init__(self, sample_size=size, in_channels=channels, out_channels=channels, **config.network)
        self.dropout = config.dropout
        self.set_chain(config, spec)

    def forward(self, x: Tensor, t: float | Tensor) -> Tensor:
        """Predict the noise in images x (B, C, R, R), (B, C, R, R). t: one time or (B,), real-valued, 0 = least noisy."""
        # The library would turn a plain number into a whole one.
        times = t if isinstance(t, Tensor) else torch.tensor(float(t), device=x.device)
        predicted: Tensor = UNet2DModel.forward(self, x, times, return_dict=False)[0]
        return predicted
