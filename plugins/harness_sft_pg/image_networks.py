"""Critic and value network for images, with the parameter names of the published code."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness_sft_pg.networks import ConditionalLinear, linear

CIFAR10_WIDTHS = (1024, 1024, 256)
CELEBA_WIDTHS = (2048, 1024, 256)


class ImageCritic(nn.Module):
    """f: four convolutions, (B, C, H, W) -> (B, 1), the mean over what is left of the image.

    Args:
        channels: of the images, which are at least 32×32.
        features: half the width of the first layer.
    """

    def __init__(self, channels: int = 3, features: int = 64) -> None:
        super().__init__()
        widths = [channels, 2 * features, 4 * features, 8 * features]
        self.layer1, self.layer2, self.layer3 = (
            nn.Conv2d(inputs, outputs, 4, stride=2, padding=1)
            for inputs, outputs in pairwise(widths)
        )
        self.layer4 = nn.Conv2d(widths[-1], 1, 4)

    def forward(self, x: Tensor) -> Tensor:
        for layer in (self.layer1, self.layer2, self.layer3):
            x = functional.leaky_relu(layer(x), 0.2)
        return self.layer4(x).mean(dim=(1, 2, 3)).unsqueeze(1)


class ImageValue(nn.Module):
    """V: what the critic will say of the image that a state leads to. Step 0 is the initial noise.

    Args:
        shape: of one image; it is flattened.
        steps: number of the sampler's steps.
        widths: hidden units of the three hidden layers.
    """

    def __init__(self, shape: Sequence[int], steps: int, widths: Sequence[int] = CIFAR10_WIDTHS) -> None:
        super().__init__()
        sizes = [math.prod(shape), *widths]
        self.lin1, self.lin2, self.lin3 = (
            ConditionalLinear(inputs, outputs, steps) for inputs, outputs in pairwise(sizes)
        )
        self.lin4 = linear(sizes[-1], 1)

    def forward(self, x: Tensor, step: int | Tensor) -> Tensor:
        """x: (B, …); step: one for all or (B,) int64. Returns: (B, 1)."""
        hidden = x.flatten(1)
        for layer in (self.lin1, self.lin2, self.lin3):
            hidden = functional.relu(layer(hidden, step))
        return self.lin4(hidden)


@torch.no_grad()
def initialise_images(module: nn.Module, generator: torch.Generator) -> None:
    """Draw all parameters anew.

    Weights of convolutions are normal as Kaiming's, of conditional layers normal as Xavier's, of the last layer uniform
    in ±1/sqrt(inputs); their biases uniform likewise; gains uniform in [0, 1).
    """
    conditional = {id(child.lin) for child in module.modules() if isinstance(child, ConditionalLinear)}
    for child in module.modules():
        if isinstance(child, nn.Conv2d):
            fan = child.weight[0].numel()
            _normal(child.weight, math.sqrt(2 / fan), generator)
            _uniform(child.bias, fan**-0.5, generator)
        elif isinstance(child, nn.Linear):
            fan = child.in_features
            if id(child) in conditional:
                _normal(child.weight, math.sqrt(2 / (fan + child.out_features)), generator)
            else:
                _uniform(child.weight, fan**-0.5, generator)
            _uniform(child.bias, fan**-0.5, generator)
        elif isinstance(child, nn.Embedding):
            child.weight.copy_(torch.empty(child.weight.shape).uniform_(0, 1, generator=generator))


def _normal(parameter: Tensor, std: float, generator: torch.Generator) -> None:
    parameter.copy_(torch.empty(parameter.shape).normal_(0, std, generator=generator))


def _uniform(parameter: Tensor | None, bound: float, generator: torch.Generator) -> None:
    if parameter is not None:
        parameter.copy_(torch.empty(parameter.shape).uniform_(-bound, bound, generator=generator))
