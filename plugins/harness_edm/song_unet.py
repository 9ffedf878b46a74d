"""DDPM++ and NCSN++, the U-Nets of Song et al. 2021 as EDM trains them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.toolkit.unet_levels import Entry, Levels, Resample, decode, encode, module_dict
from harness_edm import UNetConfig
from harness_edm.block import SQRT_HALF, BlockStyle, ResidualBlock
from harness_edm.layers import Conv, FourierEmbedding, PositionalEmbedding, glorot, linear, norm

EPS = 1e-6
PYRAMID = "_aux_residual"
"""How the names of NCSN++'s pyramid convolutions end."""


class SongUNet(nn.Module):
    """A U-Net whose blocks add the noise level; NCSN++ also feeds a pyramid of the input to the encoder's levels.

    Names of the weights are those of the published EDM files.

    Args:
        config: the settings, whose architecture is `ddpm++` or `ncsn++`.
        resolution, channels: pixels a side and channels of the images.
        classes: length of class labels; 0 for a network without classes.
    Source: Song et al. 2021; Karras et al. 2022, appendix F.
    """

    def __init__(self, config: UNetConfig, *, resolution: int, channels: int, classes: int) -> None:
        super().__init__()
        features, width = config.model_channels * config.noise_mult, config.model_channels * config.channel_mult_emb
        self.config, self.classes, self.style = config, classes, _style(config, width)
        widths = [config.model_channels * mult for mult in config.channel_mult]
        # Only the last block of a decoder level attends. The first convolution has a width of its own.
        levels = Levels(resolution, widths, config.num_blocks, config.attn_resolutions, attends_last=True)
        convolution = Conv(channels, config.model_channels, 3, glorot())
        encoder = list(self._with_pyramid(levels.encoder(convolution, config.model_channels, self._block), channels))
        skips = [entry.channels for entry in encoder if not entry.name.endswith(PYRAMID)]
        self.enc = module_dict(encoder)
        self.dec = module_dict(levels.decoder(skips, self._block))
        self.map_noise = _noise_features(config, features)
        self.map_label = linear(classes, features, glorot()) if classes else None
        self.map_augment = linear(config.augment_dim, features, glorot(), bias=False) if config.augment_dim else None
        self.map_layer0 = linear(features, width, glorot())
        self.map_layer1 = linear(width, width, glorot())
        # The published files count the output stage among the decoder's entries.
        self._norm_name, self._conv_name = (f"{resolution}x{resolution}_aux_{part}" for part in ("norm", "conv"))
        self.dec[self._norm_name] = norm(widths[0], EPS)
        self.dec[self._conv_name] = Conv(widths[0], channels, 3, glorot(1e-5))

    def forward(
        self, x: Tensor, c_noise: Tensor, class_labels: Tensor | None = None, augment_labels: Tensor | None = None
    ) -> Tensor:
        """Run the raw network F of the preconditioning.

        Args:
            x: scaled noisy images, (B, C, R, R).
            c_noise: ln(sigma) / 4, (B,), or (1,) where all images have one noise level.
            class_labels: (B or 1, classes). augment_labels: (B, augment_dim).
        Returns: (B, C, R, R).
        """
        embedding = self._embed(c_noise, class_labels, augment_labels)
        skips = self._encode_with_pyramid(x, embedding) if self._has_pyramid else encode(self.enc.items(), x, embedding)
        blocks = [(name, module) for name, module in self.dec.items() if isinstance(module, ResidualBlock)]
        x = decode(blocks, skips, embedding)
        return self.dec[self._conv_name](functional.silu(self.dec[self._norm_name](x)))

    @property
    def _has_pyramid(self) -> bool:
        return self.config.input_stream == "residual"

    def _with_pyramid(self, encoder: Iterable[Entry], channels: int) -> Iterator[Entry]:
        """Yield each entry; after one that halves the resolution, also yield the convolution for the next pyramid level."""
        for entry in encoder:
            yield entry
            if self._has_pyramid and entry.name.endswith("_down"):
                convolution = Conv(channels, entry.channels, 3, glorot(), resample="down", taps=self.config.taps, is_fused=True)
                channels = entry.channels
                yield Entry(entry.name.replace("_down", PYRAMID), convolution, channels)

    def _encode_with_pyramid(self, x: Tensor, embedding: Tensor) -> list[Tensor]:
        """Run the encoder of NCSN++, which adds a level of the pyramid to the output of each entry that halves the resolution."""
        skips: list[Tensor] = []
        pyramid = x
        for name, module in self.enc.items():
            if name.endswith(PYRAMID):
                # The sum replaces the skip, and the next level of the pyramid is made from the sum.
                x = skips[-1] = pyramid = (x + module(pyramid)) * SQRT_HALF
            else:
                x = module(x, embedding) if isinstance(module, ResidualBlock) else module(x)
                skips.append(x)
        return skips

    def _block(self, inputs: int, outputs: int, *, resample: Resample | None = None, attention: bool = False) -> ResidualBlock:
        return ResidualBlock(inputs, outputs, self.style, resample=resample, attention=attention)

    def _embed(self, c_noise: Tensor, class_labels: Tensor | None, augment_labels: Tensor | None) -> Tensor:
        # These networks take sines before cosines, and the embeddings give cosines before sines.
        cosine, sine = self.map_noise(c_noise).chunk(2, dim=1)
        embedding = torch.cat([sine, cosine], dim=1)
        if self.map_label is not None and class_labels is not None:
            # A one-hot row of L numbers has the mean square 1 / L; times sqrt(L) it has that of a standard normal.
            embedding = embedding + self.map_label(class_labels * self.classes**0.5)
        if self.map_augment is not None and augment_labels is not None:
            embedding = embedding + self.map_augment(augment_labels)
        embedding = functional.silu(self.map_layer0(embedding))
        return functional.silu(self.map_layer1(embedding))


def _noise_features(config: UNetConfig, width: int) -> nn.Module:
    if config.noise_embedding == "fourier":
        return FourierEmbedding(width)
    return PositionalEmbedding(width, reaches_end=True)


def _style(config: UNetConfig, width: int) -> BlockStyle:
    return BlockStyle(
        embedding=width, eps=EPS, dropout=config.dropout, skip_scale=SQRT_HALF,
        initialise=glorot(), initialise_last=glorot(1e-5), initialise_qkv=glorot(0.2**0.5),
        scales_adaptively=False, projects_resampled=True, taps=config.taps,
        channels_per_head=config.channels_per_head,
    )  # fmt: skip
