"""A small model for checks of methods: noised data through a layer."""

import torch
from torch import nn

from harness.streams import stream


class NoisedLayer(nn.Module):
    """Noised data through a layer; the noise can be drawn first."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)
        with torch.no_grad():
            for number, parameter in enumerate(self.parameters()):
                parameter.copy_(torch.randn(parameter.shape, generator=stream(number, "weights")))

    def forward(self, x):
        return self.layer(x)

    def training_draw(self, x, generator):
        return torch.randn(x.shape, generator=generator)

    def training_loss_at(self, x, labels, draw):
        return (self(x + draw) - x).square().sum(1)

    def training_loss(self, x, labels, generator):
        return self.training_loss_at(x, labels, self.training_draw(x, generator))
