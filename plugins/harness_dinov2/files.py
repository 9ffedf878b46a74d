"""Where the weights are. Importing this module costs no torch."""

from __future__ import annotations

from harness.config import Config
from harness.presets import WeightsFile
from harness.toolkit import torch_hub
from harness.weights.local_files import LocalFile

WEIGHTS = LocalFile(
    "dinov2_vitl14_pretrain.pth",
    source="https://dl.fbaipublicfiles.com/dinov2/dinov2_vitl14/dinov2_vitl14_pretrain.pth",
    variable="HARNESS_DINOV2",
    places=torch_hub.FOLDERS,
)


SHA256 = "d5383ea8f4877b2472eb973e0fd72d557c7da5d3611bd527ceeb1d7162cbf428"
"""The hash that several public sources print. A download is compared with it; a file of the user's own is not."""


def needed(config: Config) -> list[WeightsFile]:  # noqa: ARG001 - as components call it
    """Return the file, unless it is in a place of the user's already."""
    return WEIGHTS.to_fetch(SHA256)


def check(config: Config) -> None:  # noqa: ARG001 - as components call it
    """Check that the file is there. Raises: UserError when it is in no place."""
    WEIGHTS.find(where="extractor dinov2")
