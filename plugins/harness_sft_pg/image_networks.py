"""Critic and value network for images, with the parameter names of the published code."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness_sft_pg.networks import ConditionalLinear, ValueNetwork, linear

CIFAR10_WIDTHS = (1024, 1024, 256)
CELEBA_WIDTHS = (2048, 1024, 256)


class ImageCritic(nn.Module):
    """The critic f: convolutions that halve the image, and one that scores each position; f is the mean of the scores.

    Args:
        channels: of the images.
        features: half the width of the first layer.
        halvings: 0 to 3; three as published, for images of at least 32×32.
    """

    def __init__(self, channels: int = 3, features: int = 64, *, halvings: int = 3) -> None:
        super().__init__()
        widths = [channels, 2 * features, 4 * features, 8 * features][: halvings + 1]
        self.halving = [f"layer{number}" for number in range(1, halvings + 1)]
        for name, (inputs, outputs) in zip(self.halving, pairwise(widths), strict=True):
            self.add_module(name, _convolution(inputs, outputs, stride=2, padding=1))
        self.layer4 = _convolution(widths[-1], 1, stride=1, padding=0)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, 1)."""
        for name in self.halving:
            x = functional.leaky_relu(self.get_submodule(name)(x), 0.2)
        return cast(Tensor, self.layer4(x)).mean(dim=(1, 2, 3)).unsqueeze(1)


def _convolution(inputs: int, outputs: int, *, stride: int, padding: int) -> nn.Conv2d:
    # Zeros: `initialise_images` draws the weights from a generator, so that no global randomness is used.
    layer = nn.utils.skip_init(nn.Conv2d, inputs, outputs, 4, stride=stride, padding=padding)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


class ImageValue(ValueNetwork):
    """The value network V with three hidden layers; its last layer has no gains.

    Args:
        shape: shape of one image, which is flattened.
        steps: number of the sampler's steps.
        widths: units of the three hidden layers.
    """

    def __init__(self, shape: Sequence[int], steps: int, widths: Sequence[int] = CIFAR10_WIDTHS) -> None:
        super().__init__()
        sizes = [math.prod(shape), *widths]
        self.lin1, self.lin2, self.lin3 = (ConditionalLinear(inputs, outputs, steps) for inputs, outputs in pairwise(sizes))
        self.lin4 = linear(sizes[-1], 1)

    def forward(self, x: Tensor, step: int | Tensor) -> Tensor:
        hidden = x.flatten(1)
        for layer in (self.lin1, self.lin2, self.lin3):
            hidden = functional.relu(layer(hidden, step))
        return cast(Tensor, self.lin4(hidden))

    def each(self, states: Tensor, steps: slice) -> Tensor:
        hidden = states.flatten(2).flatten(0, 1)
        for layer in (self.lin1, self.lin2, self.lin3):
            hidden = layer.each_relu(hidden, steps)
        return cast(Tensor, self.lin4(hidden)).view(*states.shape[:2], 1)


@torch.no_grad()
def initialise_images(module: nn.Module, generator: torch.Generator) -> None:
    """Draw all parameters of a critic or value network for images.

    Weights of convolutions are normal with Kaiming's variance 2 / fan_in, where fan_in counts the pixels of the kernel too.
    Weights of conditional layers are normal with Xavier's variance 2 / (inputs + outputs). Weights of the value network's last
    layer are uniform in ±1 / sqrt(fan_in). All biases are uniform in ±1 / sqrt(fan_in), and gains are uniform in [0, 1).
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
