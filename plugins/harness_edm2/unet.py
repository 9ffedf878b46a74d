"""The magnitude-preserving U-Net of EDM2."""

from __future__ import annotations

from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.toolkit.feature_maps import resample, self_attention, smoothing_kernel
from harness.toolkit.unet_levels import Levels, Resample, decode, encode, module_dict
from harness_edm2 import EDM2Config
from harness_edm2.layers import Fourier, Weight, concatenate, normalise, silu, weighted_sum

Flavour = Literal["enc", "dec"]


class Block(nn.Module):
    """A residual block, with attention where it is asked for and the block is wide enough for a head.

    With all operations those of `harness_edm2.layers`, and e the embedding of noise level and class:

        x = resample(x);  in the encoder  x = normalise(conv_skip(x))
        y = conv_res1(dropout(silu(conv_res0(silu(x)) (1 + emb_gain emb_linear(e)))))
        in the decoder  x = conv_skip(x)
        x = weighted_sum(x, y, res_balance)
        x = weighted_sum(x, attn_proj(attention(x)), attn_balance),  where the block attends
        x = clamp(x, -clip_act, clip_act)

    `conv_skip` is there only where the number of channels changes. Queries, keys and values are normalised, which bounds the
    logits of attention.

    Args:
        config: the network's settings.
        inputs, outputs: channels.
        embedding: width of the embedding.
        flavour: whether the block is of the encoder or of the decoder.
        resample: whether the block halves ("down") or doubles ("up") the resolution.
        attention: whether the block attends.
    Source: Karras et al. 2024, figure 21 and appendix B.
    """

    def __init__(
        self, config: EDM2Config, inputs: int, outputs: int, embedding: int, *,
        flavour: Flavour, resample: Resample | None = None, attention: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.config, self.flavour, self.resample = config, flavour, resample
        self.heads = outputs // config.channels_per_head if attention else 0
        self.emb_gain = nn.Parameter(torch.zeros(()))
        self.conv_res0 = Weight(outputs if flavour == "enc" else inputs, outputs, 3)
        self.emb_linear = Weight(embedding, outputs)
        self.conv_res1 = Weight(outputs, outputs, 3)
        self.conv_skip = Weight(inputs, outputs, 1) if inputs != outputs else None
        if self.heads:
            self.attn_qkv = Weight(outputs, 3 * outputs, 1)
            self.attn_proj = Weight(outputs, outputs, 1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """Run the block on x (B, inputs, H, W), with an embedding (B or 1, width). Returns: (B, outputs, H', W')."""
        if self.resample is not None:
            x = resample(x, smoothing_kernel(self.config.resample_filter), self.resample)
        if self.flavour == "enc":
            x = normalise(self._skip(x), [1])
        branch = self._branch(x, embedding)
        if self.flavour == "dec":
            x = self._skip(x)
        x = weighted_sum(x, branch, self.config.res_balance)
        if self.heads:
            # (B, heads, d, 3, H * W): each query, key and value is normalised over the d channels of its head.
            mixed = self_attention(self.attn_qkv(x), self.heads, prepare=partial(normalise, dims=[2]))
            x = weighted_sum(x, self.attn_proj(mixed), self.config.attn_balance)
        return x if self.config.clip_act is None else x.clamp(-self.config.clip_act, self.config.clip_act)

    def _skip(self, x: Tensor) -> Tensor:
        return x if self.conv_skip is None else self.conv_skip(x)

    def _branch(self, x: Tensor, embedding: Tensor) -> Tensor:
        hidden = self.conv_res0(silu(x))
        scale = self.emb_linear(embedding, self.emb_gain) + 1
        hidden = silu(hidden * scale[:, :, None, None].to(hidden.dtype))
        return self.conv_res1(functional.dropout(hidden, self.config.dropout, self.training))


class UNet(nn.Module):
    """The raw network F of the preconditioning. Names of the weights are those of the published files.

    Args:
        config: the network's settings.
        resolution, channels: pixels a side and channels of the images or latents.
        classes: length of class labels; 0 for a network without classes.
    Source: Karras et al. 2024, figure 21 and appendix B.
    """

    def __init__(self, config: EDM2Config, *, resolution: int, channels: int, classes: int) -> None:
        super().__init__()
        self.config, self.classes = config, classes
        widths = [config.model_channels * mult for mult in config.channel_mult]
        features = config.model_channels * config.channel_mult_noise if config.channel_mult_noise else widths[0]
        self.embedding = config.model_channels * config.channel_mult_emb if config.channel_mult_emb else max(widths)
        self.out_gain = nn.Parameter(torch.zeros(()))
        self.emb_fourier = Fourier(features)
        self.emb_noise = Weight(features, self.embedding)
        self.emb_label = Weight(classes, self.embedding) if classes else None
        levels = Levels(resolution, widths, config.num_blocks, config.attn_resolutions)
        encoder = list(levels.encoder(Weight(channels + 1, widths[0], 3), widths[0], partial(self._block, flavour="enc")))
        decoder = levels.decoder([entry.channels for entry in encoder], partial(self._block, flavour="dec"))
        self.enc, self.dec = module_dict(encoder), module_dict(decoder)
        self.out_conv = Weight(widths[0], channels, 3)

    def forward(self, x: Tensor, c_noise: Tensor, class_labels: Tensor | None = None) -> Tensor:
        """Run the network.

        Args:
            x: scaled noisy images or latents, (B, C, R, R).
            c_noise: ln(sigma) / 4, (B,), or (1,) where all images have one noise level.
            class_labels: (B or 1, classes).
        Returns: (B, C, R, R).
        """
        embedding = self._embed(c_noise, class_labels)
        x = torch.cat([x, torch.ones_like(x[:, :1])], dim=1)  # a channel of ones stands in for the biases, which no layer has
        skips = encode(self.enc.items(), x, embedding)
        x = decode(self.dec.items(), skips, embedding, join=partial(concatenate, weight=self.config.concat_balance))
        return self.out_conv(x, self.out_gain)

    def _block(
        self, inputs: int, outputs: int, *, flavour: Flavour, resample: Resample | None = None, attention: bool = False
    ) -> Block:
        return Block(self.config, inputs, outputs, self.embedding, flavour=flavour, resample=resample, attention=attention)

    def _embed(self, c_noise: Tensor, class_labels: Tensor | None) -> Tensor:
        embedding = self.emb_noise(self.emb_fourier(c_noise))
        if self.emb_label is not None and class_labels is not None:
            # A one-hot row of L numbers has the mean square 1 / L; times sqrt(L) it has unit magnitude. A row of zeros, which
            # stands for "no class", takes part in the sum too: it scales the embedding of the noise level.
            label = self.emb_label(class_labels * self.classes**0.5)
            embedding = weighted_sum(embedding, label, self.config.label_balance)
        return silu(embedding)
