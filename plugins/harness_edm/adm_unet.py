"""ADM, the U-Net of Dhariwal and Nichol 2021 as EDM trains it."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from harness_edm import UNetConfig
from harness_edm.block import BlockStyle
from harness_edm.layers import Conv, PositionalEmbedding, linear, norm, reciprocal, standard_normal
from harness_edm.levels import LevelledUNet

EPS = 1e-5


class ADMUNet(LevelledUNet):
    """A U-Net whose blocks are scaled and shifted by the noise level and the class, with multi-head attention.

    Args:
        resolution, channels: of the images. classes: length of class labels, 0 for none.
    Source: Dhariwal and Nichol 2021; the layout is that of the published EDM files.
    """

    def __init__(self, config: UNetConfig, *, resolution: int, channels: int, classes: int) -> None:
        features, width = config.model_channels, config.model_channels * config.channel_mult_emb
        zero = reciprocal(0.0)
        style = BlockStyle(
            embedding=width, eps=EPS, dropout=config.dropout, skip_scale=1.0,
            initialise=reciprocal(), initialise_last=zero, initialise_qkv=reciprocal(),
            scales_adaptively=True, projects_resampled=False, taps=config.taps,
            channels_per_head=config.channels_per_head,
        )  # fmt: skip
        first = config.model_channels * config.channel_mult[0]
        super().__init__(config, style, resolution=resolution, channels=channels, first=first)
        self.map_noise = PositionalEmbedding(features, reaches_end=False)
        self.map_augment = linear(config.augment_dim, features, zero, bias=False) if config.augment_dim else None
        self.map_layer0 = linear(features, width, reciprocal())
        self.map_layer1 = linear(width, width, reciprocal())
        self.map_label = linear(classes, width, standard_normal, bias=False) if classes else None
        self.out_norm = norm(first, EPS)
        self.out_conv = Conv(first, channels, 3, zero)

    def forward(
        self, x: Tensor, c_noise: Tensor, class_labels: Tensor | None = None, augment_labels: Tensor | None = None
    ) -> Tensor:
        """x: (B, C, R, R); c_noise: (B,) or (1,); labels: (B or 1, classes); augment_labels: (B, augment_dim).
        Returns: (B, C, R, R)."""
        embedding = self._embed(c_noise, class_labels, augment_labels)
        x = self.decode(self.encode(x, embedding), embedding)
        return self.out_conv(functional.silu(self.out_norm(x)))

    def _embed(self, c_noise: Tensor, class_labels: Tensor | None, augment_labels: Tensor | None) -> Tensor:
        embedding = self.map_noise(c_noise)
        if self.map_augment is not None and augment_labels is not None:
            embedding = embedding + self.map_augment(augment_labels)
        embedding = self.map_layer1(functional.silu(self.map_layer0(embedding)))
        if self.map_label is not None and class_labels is not None:
            embedding = embedding + self.map_label(class_labels)
        return functional.silu(embedding)
