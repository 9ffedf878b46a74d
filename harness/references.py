"""Published statistics of real images by name: the file, the images that it stands for, and the extractor that made it.

Importing this module costs no torch.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.presets import WeightsFile

STATISTICS = frozenset({"moments", "spatial"})
"""What a file of statistics can serve, by the names in `harness.components.FEATURE_NEEDS`."""


@dataclass(frozen=True)
class Reference:
    """Published statistics that a column compares with, in the place of real draws: mean and covariance of features.

    Args:
        name: the name by which boards choose the reference.
        file: the file, in a format that `harness.images.statistics_files` reads: .npz, EDM2's .pkl, torch-fidelity's .pt.
        images: the number of images that the statistics are of.
        of: what these images are, in a few words: "CIFAR-10's training set".
        shape: (channels, height, width) of the images before any resizing.
        extractors: names of the extractors whose features the file has statistics of. A distance to features of another
            extractor means nothing.
        needs: the statistics in the file, by their names in `harness.components.FEATURE_NEEDS`: "moments", and "spatial".
        version: raise it when another file takes the place of this one: columns of older records become stale.
    """

    name: str
    file: WeightsFile
    images: int
    of: str
    shape: tuple[int, ...]
    extractors: tuple[str, ...]
    needs: frozenset[str] = frozenset({"moments"})
    version: str = "1"

    @property
    def identity(self) -> dict[str, object]:
        """The reference as keys hold it. Its hash is no part of it: a machine that only renders has no file."""
        return {"name": self.name, "version": self.version}
