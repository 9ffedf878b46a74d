"""Settings of augmentation whose labels the network gets. Imports no torch."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from harness.config import Config


class EDMAugmentation(Config):
    """EDM's augmentation for pretraining: mirroring, scaling, rotation, stretching and translation of images. The network is told
    what was done to each image by nine labels; all zero, as in sampling, they stand for an image as it is."""

    LABELS: ClassVar[int] = 9
    """Numbers that say how an image was augmented."""

    name: Literal["edm"] = Field(description="the published scheme: edm")
    p: float = Field(
        0.12,
        gt=0,
        le=1,
        description="probability of each kind of change, apart from left-right mirroring, which every image has with one half: "
        "0.12 on CIFAR-10, 0.15 on FFHQ and AFHQv2",
    )
