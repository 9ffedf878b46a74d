"""The magnitude-preserving U-Net of EDM2."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness_edm2 import EDM2Config
from harness_edm2.layers import Fourier, Resample, Weight, concatenate, normalise, resample, silu, weighted_sum


class Block(nn.Module):
    """A residual block with attention where it is asked for and the block is wide enough for a head.

    Args:
        inputs, outputs: channels. embedding: width of the noise-level embedding.
        flavour: an encoder block normalises its main path first; a decoder block widens it last.
    Source: Karras et al. 2024, figure 21 and appendix B.
    """

    def __init__(
        self, config: EDM2Config, inputs: int, outputs: int, embedding: int, *,
        flavour: Literal["enc", "dec"], resampling: Resample | None = None, attention: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.config, self.flavour, self.resampling = config, flavour, resampling
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
        """x: (B, inputs, H, W); embedding: (B or 1, width). Returns: (B, outputs, H', W')."""
        x = resample(x, self.config.resample_filter, self.resampling)
        if self.flavour == "enc":
            x = normalise(self._widen(x), [1])
        branch = self.conv_res0(silu(x))
        scale = self.emb_linear(embedding, self.emb_gain) + 1
        branch = silu(branch * scale[:, :, None, None].to(branch.dtype))
        branch = self.conv_res1(functional.dropout(branch, self.config.dropout, self.training))
        if self.flavour == "dec":
            x = self._widen(x)
        x = weighted_sum(x, branch, self.config.res_balance)
        if self.heads:
            x = weighted_sum(x, self.attn_proj(self._attend(x)), self.config.attn_balance)
        return x if self.config.clip_act is None else x.clamp(-self.config.clip_act, self.config.clip_act)

    def _widen(self, x: Tensor) -> Tensor:
        return x if self.conv_skip is None else self.conv_skip(x)

    def _attend(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        # The published weights have query, key and value of a channel side by side, channels grouped by head.
        parts = self.attn_qkv(x).view(batch, self.heads, channels // self.heads, 3, height * width)
        query, key, value = (part.transpose(2, 3) for part in normalise(parts, [2]).unbind(3))
        mixed = functional.scaled_dot_product_attention(query, key, value)
        return mixed.transpose(2, 3).reshape(batch, channels, height, width)


class UNet(nn.Module):
    """The raw network F; names are those of the published files.

    Args:
        resolution, channels: of the images or latents. classes: length of class labels, 0 for none.
    """

    def __init__(self, config: EDM2Config, *, resolution: int, channels: int, classes: int) -> None:
        super().__init__()
        self.config, self.classes = config, classes
        self.widths = [config.model_channels * mult for mult in config.channel_mult]
        base = config.model_channels
        features = base * config.channel_mult_noise if config.channel_mult_noise else self.widths[0]
        self.embedding = base * config.channel_mult_emb if config.channel_mult_emb else max(self.widths)
        self.out_gain = nn.Parameter(torch.zeros(()))
        self.emb_fourier = Fourier(features)
        self.emb_noise = Weight(features, self.embedding)
        self.emb_label = Weight(classes, self.embedding) if classes else None
        self.enc, skips = self._encoder(resolution, channels)
        self.dec = self._decoder(resolution, skips)
        self.out_conv = Weight(self.widths[0], channels, 3)

    def _encoder(self, resolution: int, channels: int) -> tuple[nn.ModuleDict, list[int]]:
        """The entries in order, and the channels of the skips that they leave."""
        entries, skips, current = nn.ModuleDict(), [], self.widths[0]
        for level, wide in enumerate(self.widths):
            side = resolution >> level
            if level == 0:
                entries[f"{side}x{side}_conv"] = Weight(channels + 1, current, 3)
            else:
                entries[f"{side}x{side}_down"] = self._block(current, current, flavour="enc", resampling="down")
            skips.append(current)
            for index in range(self.config.num_blocks):
                attention = side in self.config.attn_resolutions
                entries[f"{side}x{side}_block{index}"] = self._block(current, wide, flavour="enc", attention=attention)
                current = wide
                skips.append(current)
        return entries, skips

    def _decoder(self, resolution: int, skips: list[int]) -> nn.ModuleDict:
        entries, current, skips = nn.ModuleDict(), skips[-1], list(skips)
        for level, wide in reversed(list(enumerate(self.widths))):
            side = resolution >> level
            if level == len(self.widths) - 1:
                entries[f"{side}x{side}_in0"] = self._block(current, current, flavour="dec", attention=True)
                entries[f"{side}x{side}_in1"] = self._block(current, current, flavour="dec")
            else:
                entries[f"{side}x{side}_up"] = self._block(current, current, flavour="dec", resampling="up")
            for index in range(self.config.num_blocks + 1):
                attention = side in self.config.attn_resolutions
                block = self._block(current + skips.pop(), wide, flavour="dec", attention=attention)
                entries[f"{side}x{side}_block{index}"] = block
                current = wide
        return entries

    def _block(
        self, inputs: int, outputs: int, *,
        flavour: Literal["enc", "dec"], resampling: Resample | None = None, attention: bool = False,
    ) -> Block:  # fmt: skip
        return Block(self.config, inputs, outputs, self.embedding, flavour=flavour, resampling=resampling, attention=attention)

    def forward(self, x: Tensor, c_noise: Tensor, class_labels: Tensor | None = None) -> Tensor:
        """x: (B, C, R, R); c_noise: (B,) or (1,); class_labels: (B or 1, classes). Returns: (B, C, R, R)."""
        embedding = self._embed(c_noise, class_labels)
        x = torch.cat([x, torch.ones_like(x[:, :1])], dim=1)  # stands in for the biases that the layers have not
        skips = []
        for entry in self.enc.values():
            x = entry(x, embedding) if isinstance(entry, Block) else entry(x)
            skips.append(x)
        for name, entry in self.dec.items():
            x = concatenate(x, skips.pop(), self.config.concat_balance) if "_block" in name else x
            x = entry(x, embedding)
        return self.out_conv(x, self.out_gain)

    def _embed(self, c_noise: Tensor, class_labels: Tensor | None) -> Tensor:
        embedding = self.emb_noise(self.emb_fourier(c_noise))
        if self.emb_label is not None and class_labels is not None:
            # A row of zeros still halves the noise level's share: "no class" is not "no sum".
            label = self.emb_label(class_labels * self.classes**0.5)
            embedding = weighted_sum(embedding, label, self.config.label_balance)
        return silu(embedding)
