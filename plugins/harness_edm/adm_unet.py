"""ADM, the U-Net of Dhariwal and Nichol 2021 as EDM trains it."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from harness.toolkit.unet_levels import Levels, Resample, decode, encode, module_dict
from harness_edm import UNetConfig
from harness_edm.block import BlockStyle, ResidualBlock
from harness_edm.layers import Conv, PositionalEmbedding, linear, norm, reciprocal, standard_normal

EPS = 1e-5


class ADMUNet(nn.Module):
    """A U-Net whose blocks are scaled and shifted by the noise level and the class, with multi-head attention.

    Names of the weights are those of the published EDM files.

    Args:
        config: the settings, whose architecture is `adm`.
        resolution, channels: pixels a side and channels of the images.
        classes: length of class labels; 0 for a network without classes.
    Source: Dhariwal and Nichol 2021; Karras et al. 2022, appendix F.
    """

    def __init__(self, config: UNetConfig, *, resolution: int, channels: int, classes: int) -> None:
        super().__init__()
        features, width = config.model_channels, config.model_channels * config.channel_mult_emb
        widths = [config.model_channels * mult for mult in config.channel_mult]
        first, zero = widths[0], reciprocal(0.0)
        self.style = _style(config, width)
        levels = Levels(resolution, widths, config.num_blocks, config.attn_resolutions)
        encoder = list(levels.encoder(Conv(channels, first, 3, reciprocal()), first, self._block))
        self.enc = module_dict(encoder)
        self.dec = module_dict(levels.decoder([entry.channels for entry in encoder], self._block))
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
        """Run the raw network F of the preconditioning.

        Args:
            x: scaled noisy images, (B, C, R, R).
            c_noise: ln(sigma) / 4, (B,), or (1,) where all images have one noise level.
            class_labels: (B or 1, classes). augment_labels: (B, augment_dim).
        Returns: (B, C, R, R).
        """
        embedding = self._embed(c_noise, class_labels, augment_labels)
        x = decode(self.dec.items(), encode(self.enc.items(), x, embedding), embedding)
        return self.out_conv(functional.silu(self.out_norm(x)))

    def _block(self, inputs: int, outputs: int, *, resample: Resample | None = None, attention: bool = False) -> ResidualBlock:
        return ResidualBlock(inputs, outputs, self.style, resample=resample, attention=attention)

    def _embed(self, c_noise: Tensor, class_labels: Tensor | None, augment_labels: Tensor | None) -> Tensor:
        embedding = self.map_noise(c_noise)
        if self.map_augment is not None and augment_labels is not None:
            embedding = embedding + self.map_augment(augment_labels)
        embedding = self.map_layer1(functional.silu(self.map_layer0(embedding)))
        if self.map_label is not None and class_labels is not None:
            embedding = embedding + self.map_label(class_labels)
        return functional.silu(embedding)


def _style(config: UNetConfig, width: int) -> BlockStyle:
    return BlockStyle(
        embedding=width, eps=EPS, dropout=config.dropout, skip_scale=1.0,
        initialise=reciprocal(), initialise_last=reciprocal(0.0), initialise_qkv=reciprocal(),
        scales_adaptively=True, projects_resampled=False, taps=config.taps,
        channels_per_head=config.channels_per_head,
    )  # fmt: skip
