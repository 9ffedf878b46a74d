"""A critic whose layers have spectral norm 1."""

from __future__ import annotations

from typing import cast

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm


def constrain(critic: nn.Module) -> nn.Module:
    """Divide the weights of each layer by their largest singular value, wherever they are read. Returns: the critic.

    Power iterations estimate the singular value, one in each call. Their vectors are buffers, and so part of the checkpoint.
    Source: Miyato et al. 2018 (Spectral normalization for generative adversarial networks), Algorithm 1.
    """
    with torch.random.fork_rng(devices=[]):  # torch draws the first vectors from global randomness; `initialise` draws others
        for layer in layers(critic):
            spectral_norm(layer)
    return critic


@torch.no_grad()
def initialise(critic: nn.Module, plain: nn.Module, generator: torch.Generator, *, iterations: int = 15) -> None:
    """Give a constrained critic the weights of a plain one, and draw the vectors of the power iterations.

    iterations: power iterations before the first use; torch takes as many.
    """
    for layer, source in zip(layers(critic), layers(plain), strict=True):
        weight = cast(nn.ModuleDict, layer.parametrizations)["weight"]
        cast(torch.Tensor, weight.original).copy_(source.weight)
        if layer.bias is not None and source.bias is not None:
            layer.bias.copy_(source.bias)
        flat = source.weight.flatten(1)
        u = torch.randn(len(flat), generator=generator).to(flat)
        for _ in range(iterations):
            v = nn.functional.normalize(flat.T @ u, dim=0)
            u = nn.functional.normalize(flat @ v, dim=0)
        vectors = weight.get_submodule("0")
        vectors.get_buffer("_u").copy_(u)
        vectors.get_buffer("_v").copy_(v)


def layers(critic: nn.Module) -> list[nn.Linear | nn.Conv2d]:
    """Return the layers with weights, in order."""
    return [module for module in critic.modules() if isinstance(module, nn.Linear | nn.Conv2d)]
