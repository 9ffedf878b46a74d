"""DDPM++ and NCSN++, the U-Nets of Song et al. 2021 as EDM trains them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness_edm import UNetConfig
from harness_edm.block import HALF, BlockStyle, ResidualBlock
from harness_edm.layers import Conv, FourierEmbedding, PositionalEmbedding, glorot, linear, norm
from harness_edm.levels import LevelledUNet

EPS = 1e-6


class SongUNet(LevelledUNet):
    """A U-Net whose blocks add the noise level; NCSN++ also feeds a pyramid of the input to the encoder's levels.

    Args:
        resolution, channels: of the images. classes: length of class labels, 0 for none.
    Source: Song et al. 2021; the layout is that of the published EDM files.
    """

    def __init__(self, config: UNetConfig, *, resolution: int, channels: int, classes: int) -> None:
        features = config.model_channels * config.noise_mult
        width = config.model_channels * config.channel_mult_emb
        style = BlockStyle(
            embedding=width, eps=EPS, dropout=config.dropout, skip_scale=HALF,
            initialise=glorot(), initialise_last=glorot(1e-5), initialise_qkv=glorot(0.2**0.5),
            scales_adaptively=False, projects_resampled=True, taps=config.taps,
            channels_per_head=config.channels_per_head,
        )  # fmt: skip
        self._pyramid_channels = channels
        super().__init__(config, style, resolution=resolution, channels=channels, first=config.model_channels)
        self.classes = classes
        is_fourier = config.noise_embedding == "fourier"
        self.map_noise = FourierEmbedding(features) if is_fourier else PositionalEmbedding(features, reaches_end=True)
        self.map_label = linear(classes, features, glorot()) if classes else None
        self.map_augment = linear(config.augment_dim, features, glorot(), bias=False) if config.augment_dim else None
        self.map_layer0 = linear(features, width, glorot())
        self.map_layer1 = linear(width, width, glorot())
        # The published files count the output stage among the decoder's entries.
        self._norm_name, self._conv_name = (f"{resolution}x{resolution}_aux_{part}" for part in ("norm", "conv"))
        self.dec[self._norm_name] = norm(self.widths[0], EPS)
        self.dec[self._conv_name] = Conv(self.widths[0], channels, 3, glorot(1e-5))

    def attends_in_decoder(self, side: int, index: int) -> bool:
        """Only a level's last block does."""
        return index == self.config.num_blocks and side in self.config.attn_resolutions

    def after_down(self, entries: nn.ModuleDict, side: int, width: int) -> None:
        """NCSN++: the next level of the input's pyramid."""
        if self.config.input_stream == "residual":
            entries[f"{side}x{side}_aux_residual"] = Conv(
                self._pyramid_channels, width, 3, glorot(), resample="down", taps=self.config.taps, is_fused=True
            )
            self._pyramid_channels = width

    def forward(
        self, x: Tensor, c_noise: Tensor, class_labels: Tensor | None = None, augment_labels: Tensor | None = None
    ) -> Tensor:
        """x: (B, C, R, R); c_noise: (B,) or (1,); labels: (B or 1, classes); augment_labels: (B, augment_dim).
        Returns: (B, C, R, R)."""
        embedding = self._embed(c_noise, class_labels, augment_labels)
        x = self.decode(self.encode(x, embedding), embedding)
        return self.dec[self._conv_name](functional.silu(self.dec[self._norm_name](x)))

    def encode(self, x: Tensor, embedding: Tensor) -> list[Tensor]:
        """As in any U-Net, with the pyramid's levels added to the skips they follow."""
        skips: list[Tensor] = []
        pyramid = x
        for name, entry in self.enc.items():
            if name.endswith("_aux_residual"):
                # The sum is what the decoder sees, and what the pyramid's next level is made from.
                x = skips[-1] = pyramid = (x + entry(pyramid)) * HALF
            else:
                x = entry(x, embedding) if isinstance(entry, ResidualBlock) else entry(x)
                skips.append(x)
        return skips

    def _embed(self, c_noise: Tensor, class_labels: Tensor | None, augment_labels: Tensor | None) -> Tensor:
        cosine, sine = self.map_noise(c_noise).chunk(2, dim=1)
        embedding = torch.cat([sine, cosine], dim=1)
        if self.map_label is not None and class_labels is not None:
            # The square root gives one-hot rows the variance of the other terms.
            embedding = embedding + self.map_label(class_labels * self.classes**0.5)
        if self.map_augment is not None and augment_labels is not None:
            embedding = embedding + self.map_augment(augment_labels)
        embedding = functional.silu(self.map_layer0(embedding))
        return functional.silu(self.map_layer1(embedding))
