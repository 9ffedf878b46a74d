"""Images as smaller images of patches: the pixels of a patch become channels, so that a network costs less an image."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional


def in_patches(network: Callable[[Tensor], Tensor], patch: int, x: Tensor) -> Tensor:
    """Run a network on patches: channel c * patch² + i * patch + j of its input is pixel (i, j) of each patch of channel c.

    Args:
        network: takes and gives (B, C * patch², H / patch, W / patch).
        patch: pixels a side of a patch, which divides H and W; 1 leaves the images as they are.
        x: (B, C, H, W).
    Returns: (B, C, H, W).
    Source: sub-pixel convolution, Shi et al. 2016, after its inverse.
    """
    if patch == 1:
        return network(x)
    return functional.pixel_shuffle(network(functional.pixel_unshuffle(x, patch)), patch)
