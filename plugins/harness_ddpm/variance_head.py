"""A small network that predicts squared errors of each coordinate, for SN-DPM and NPR-DPM."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.capabilities import NoiseChain
from harness.card_kernels import running_sum
from harness.interfaces import Batch, DataSpec
from harness_ddpm import HeadConfig

FREQUENCIES = 6
"""Sines and cosines of the time, at pi, 2 pi, 4 pi, …"""


class VarianceHead(nn.Module):
    """Predicts a number above 0 for each coordinate, given the noisy state, the predicted noise and the time.

    The head has three 3×3 convolutions for images, and three linear layers for points.

    Args:
        shape: shape of one example.
        width: channels between the layers.
    """

    def __init__(self, shape: tuple[int, ...], width: int) -> None:
        super().__init__()
        inputs = 2 * shape[0] + 2 * FREQUENCIES

        def layer(before: int, after: int) -> nn.Module:
            return nn.Conv2d(before, after, 3, padding=1) if len(shape) == 3 else nn.Linear(before, after)

        self.layers = nn.ModuleList([layer(inputs, width), layer(width, width), layer(width, shape[0])])

    def forward(self, x: Tensor, eps: Tensor, time: Tensor) -> Tensor:
        """Run the head.

        Args:
            x, eps: noisy states and predicted noise, (B, …).
            time: (B,) or 0-dim, in [0, 1].
        Returns: (B, …).
        """
        angles = math.pi * time.float().view(-1, 1) * 2.0 ** torch.arange(FREQUENCIES, device=x.device)
        features = torch.cat([angles.sin(), angles.cos()], 1).expand(len(x), -1)
        features = features.view(len(x), -1, *[1] * (x.dim() - 2)).expand(-1, -1, *x.shape[2:])
        hidden = torch.cat([x, eps, features], 1)
        for layer in self.layers[:-1]:
            hidden = functional.silu(layer(hidden))
        return functional.softplus(self.layers[-1](hidden))


def relative_time(time: float | Tensor, steps: int) -> float | Tensor:
    """The time of a step of a chain of T steps as the head takes it, t / (T - 1)."""
    return time / max(1, steps - 1)


def train_head(
    config: HeadConfig, chain: NoiseChain, spec: DataSpec, data: Batch, generator: torch.Generator, *, predicts_residual: bool
) -> VarianceHead:
    """Train a head by the mean squared error, at uniform steps of the chain. The network is called once for each example.

    Args:
        chain: the network, which stays as it is.
        data: the training data.
        generator: on the CPU; all randomness of initial weights, examples, steps and noise.
        predicts_residual: True for the target (eps - eps_theta)^2; False for eps^2.
    """
    betas, device = chain.chain_betas, data.x.device
    alpha_bars = running_sum(torch.log1p(-betas), 0).exp().float().to(device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))
        head = VarianceHead(spec.shape, config.width).to(device)
    optimizer = torch.optim.Adam(head.parameters(), lr=config.lr)
    for _ in range(config.training_steps):
        rows = data[torch.randint(len(data), (config.batch,), generator=generator).to(device)]
        t = torch.randint(len(betas), (config.batch,), generator=generator).to(device)
        eps = torch.randn(rows.x.shape, generator=generator).to(device)
        alpha_bar = alpha_bars[t].view(-1, *[1] * len(spec.shape))
        noisy = alpha_bar.sqrt() * rows.x + (1 - alpha_bar).sqrt() * eps
        with torch.no_grad():
            predicted = chain.predict_noise(noisy, t, rows.labels)
        target = (eps - predicted).square() if predicts_residual else eps.square()
        loss = (head(noisy, predicted, relative_time(t, len(betas))) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return head
