"""EDM's augmentation for pretraining: random changes of images, and the labels that tell the network what was done.

Written from the paper: Karras et al. 2022 (arXiv 2206.00364), appendix F.2 and Table 6. The paper leaves open which way angles
turn and where translations go. Here angles are counterclockwise as seen, x is to the right, and y is down.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.images.warp import warped
from harness.interfaces import Batch
from harness.streams import stream
from harness.training.augmentation_settings import EDMAugmentation

SCALE = 2**0.2
"""Factor of the isotropic scaling by one standard deviation, and of the stretching."""
SHIFT = 1 / 8
"""Translation by one standard deviation, as a share of the image."""


@dataclass(frozen=True)
class Changes:
    """The changes of n images; zero where nothing is changed. All are (n,), float64, on the CPU, named as in Table 6.

    Args:
        mirror_x, mirror_y: a0 and a1, 1 where the image is mirrored left to right, or top to bottom.
        scale: a2; the image is enlarged SCALE^a2 times.
        angle: a3, in radians.
        stretch_angle, stretch: a4 and a5; the image is stretched SCALE^a5 times along the angle a4, and shrunk as much across it.
        shift_x, shift_y: a6 and a7, in SHIFT of the image's width and height.
    """

    mirror_x: Tensor
    mirror_y: Tensor
    scale: Tensor
    angle: Tensor
    stretch_angle: Tensor
    stretch: Tensor
    shift_x: Tensor
    shift_y: Tensor

    @property
    def labels(self) -> Tensor:
        """The labels that the network gets, (n, 9), float32; all zero for an image as it is."""
        return torch.stack([
            self.mirror_x, self.mirror_y, self.scale, self.angle.cos() - 1, self.angle.sin(),
            self.stretch * self.stretch_angle.cos(), self.stretch * self.stretch_angle.sin(), self.shift_x, self.shift_y,
        ], dim=1).float()  # fmt: skip

    @property
    def is_warped(self) -> Tensor:
        """Which images are resampled, (n,): all that are changed otherwise than by mirroring."""
        return torch.stack([self.scale, self.angle, self.stretch, self.shift_x, self.shift_y]).ne(0).any(0)

    def sources(self, height: int, width: int) -> Tensor:
        """Return the map of `harness.images.warp.warped` for each image, (n, 2, 3): from places of the result to the image's."""
        # A place of the image is scaled, then rotated, then stretched, then moved. The way back takes the inverses from the end.
        stretch = SCALE**self.stretch
        unstretched = _rotation(self.stretch_angle) @ _diagonal(1 / stretch, stretch) @ _rotation(-self.stretch_angle)
        scale = SCALE**-self.scale
        back = _diagonal(scale, scale) @ _rotation(-self.angle) @ unstretched
        shift = SHIFT * torch.stack([width * self.shift_x, height * self.shift_y], dim=1).unsqueeze(2)
        return torch.cat([back, -back @ shift], dim=2)


def draw_changes(n: int, p: float, generator: torch.Generator) -> Changes:
    """Draw the changes of n images.

    Args:
        p: probability of each kind of change, apart from left-right mirroring, which each image has with one half.
    """
    coins = torch.randint(2, (2, n), generator=generator).double()
    turns = math.pi * (2 * torch.rand(2, n, dtype=torch.float64, generator=generator) - 1)
    normal = torch.randn(4, n, dtype=torch.float64, generator=generator)
    mirrors, scales, rotates, stretches, moves = (torch.rand(5, n, dtype=torch.float64, generator=generator) < p).double()
    return Changes(
        mirror_x=coins[0], mirror_y=mirrors * coins[1], scale=scales * normal[0], angle=rotates * turns[0],
        stretch_angle=stretches * turns[1], stretch=stretches * normal[1], shift_x=moves * normal[2], shift_y=moves * normal[3],
    )  # fmt: skip


def changed(images: Tensor, changes: Changes) -> Tensor:
    """Return images (n, C, H, W) with their changes made. Images that are changed in nothing keep their bits."""
    for axis, is_mirrored in ((3, changes.mirror_x), (2, changes.mirror_y)):
        chosen = is_mirrored.bool().view(-1, 1, 1, 1).to(images.device)
        images = torch.where(chosen, images.flip(axis), images)
    rows = changes.is_warped.nonzero().flatten()
    if not len(rows):
        return images
    sources = changes.sources(images.shape[2], images.shape[3])[rows]
    rows = rows.to(images.device)
    return images.index_copy(0, rows, warped(images[rows], sources))


def augmented(batch: Batch, settings: EDMAugmentation, *, seed: int, index: int) -> Batch:
    """Return batch number `index` of a training with its images changed, and the labels that say how.

    Changes are drawn anew each time that an image is seen, as a function of the seed and the index alone. No value can be cached
    for an example that will not come again, so that the batch has no `rows`.
    """
    changes = draw_changes(len(batch), settings.p, stream(seed, "augment", index))
    return Batch(changed(batch.x, changes), batch.labels, augmentation=changes.labels.to(batch.x.device))


def _rotation(angle: Tensor) -> Tensor:
    """Return the matrices (n, 2, 2) that turn a place (x, y), y down, counterclockwise as seen."""
    cosine, sine = angle.cos(), angle.sin()
    return torch.stack([cosine, sine, -sine, cosine], dim=1).view(-1, 2, 2)


def _diagonal(x: Tensor, y: Tensor) -> Tensor:
    return torch.diag_embed(torch.stack([x, y], dim=1))
