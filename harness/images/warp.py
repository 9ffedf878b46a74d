"""Affine maps of images: one resampling, on a grid twice as fine, between the two halves of an orthogonal wavelet.

The wavelet's filter makes the fine grid and goes back from it. Being orthogonal, it undoes itself: an image that is mapped onto
itself, or moved by whole pixels, keeps its values. Beyond its border an image is continued by its reflection.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

LOW_PASS = (
    0.015404109326, 0.003490712084, -0.117990111147, -0.048311742586, 0.491055941926, 0.787641141031,
    0.337929421728, -0.072637522786, -0.021060292512, 0.044724901771, 0.001767711864, -0.007800708325,
)  # fmt: skip
"""The low-pass filter of the least asymmetric wavelet with six vanishing moments. Source: Daubechies 1992, Table 6.3."""
CENTRE = sum(place * tap for place, tap in enumerate(LOW_PASS)) / sum(LOW_PASS)
"""The place in the filter, in taps, that smooth images do not move by."""
SLACK = 3
"""Pixels beyond the border at which the fine grid is read where it is: as far as the filter reaches from the outermost pixels.
Further out, the place's reflection in the image is read. Being not quite symmetric, the filter gives nearly the same there."""
MARGIN = SLACK + 4
"""Pixels by which an image is continued, so that the fine grid is whole up to SLACK."""


def warped(images: Tensor, sources: Tensor) -> Tensor:
    """Return each image mapped by its own affine map.

    Args:
        images: (B, C, H, W), float32.
        sources: (B, 2, 3), float64, on the CPU: a matrix and an offset in pixels, which give for each place of the result, (x, y)
            from the image's centre, x to the right and y down, the place of the image that is shown there.
    Returns: (B, C, H, W), float32.
    """
    fine = _refined(_continued(images))
    return _coarsened(functional.grid_sample(fine, _places(sources, images, fine), padding_mode="border", align_corners=True))


def _continued(images: Tensor) -> Tensor:
    """Continue images by MARGIN pixels on each side, by reflection in the centres of the outermost pixels."""
    for axis in (2, 3):
        size = images.shape[axis]
        pixels = _reflected(torch.arange(-MARGIN, size + MARGIN, dtype=torch.float64), size).long()
        images = images.index_select(axis, pixels.to(images.device))
    return images


def _reflected(places: Tensor, size: int) -> Tensor:
    """Return the places in [0, size - 1] that places on an endlessly reflected axis show."""
    period = max(2 * (size - 1), 1)
    within = places.remainder(period)
    return torch.minimum(within, period - within) if size > 1 else torch.zeros_like(places)


def _refined(images: Tensor) -> Tensor:
    """Return images on a grid twice as fine: pixel k becomes the filter's taps at 2 k, 2 k + 1, … of the new grid."""
    return _filtered(images, functional.conv_transpose2d)


def _coarsened(fine: Tensor) -> Tensor:
    """Return fine images on the grid of pixels: pixel k is the filter on 2 k, 2 k + 1, … of the fine grid."""
    return _filtered(fine, functional.conv2d)


def _filtered(images: Tensor, convolve: Callable[..., Tensor]) -> Tensor:
    """Apply the filter along columns, then along rows, to each channel. convolve: a function of (planes, taps, stride)."""
    taps = images.new_tensor(LOW_PASS)
    n, channels = images.shape[:2]
    planes = convolve(images.flatten(0, 1).unsqueeze(1), taps.view(1, 1, -1, 1), stride=(2, 1))
    return convolve(planes, taps.view(1, 1, 1, -1), stride=(1, 2)).unflatten(0, (n, channels)).squeeze(2)


def _places(sources: Tensor, images: Tensor, fine: Tensor) -> Tensor:
    """Return where `grid_sample` reads each number of the result's fine grid: (B, fine height, fine width, 2), in [-1, 1]."""
    (height, width), (fine_height, fine_width) = images.shape[2:], fine.shape[2:]
    maps = sources.to(images.device, torch.float32)
    x, y = (_fine_axis(size).to(maps) - (size - 1) / 2 for size in (width, height))
    targets = torch.stack([*torch.meshgrid(x, y, indexing="xy"), torch.ones(len(y), len(x)).to(maps)], dim=-1)
    shown = torch.einsum("bij,yxj->byxi", maps, targets)
    axes = ((0, width, fine_width), (1, height, fine_height))
    return torch.stack([_place_on_axis(shown[..., axis], size, length) for axis, size, length in axes], dim=-1)


def _fine_axis(size: int) -> Tensor:
    """Return where the numbers of a fine axis lie, in pixels, from which the filter makes `size` pixels."""
    return (torch.arange(2 * (size - 1) + len(LOW_PASS)) - CENTRE) / 2


def _place_on_axis(shown: Tensor, size: int, fine_size: int) -> Tensor:
    """Return places along an axis, in pixels from the image's centre, as `grid_sample` counts them on the fine axis."""
    pixels = shown + (size - 1) / 2
    is_near = (pixels >= -SLACK) & (pixels <= size - 1 + SLACK)
    pixels = torch.where(is_near, pixels, _reflected(pixels, size))
    return (2 * (pixels + MARGIN) + CENTRE) * 2 / (fine_size - 1) - 1
