"""Where the weights are. Importing this module costs no torch."""

from __future__ import annotations

from harness.config import Config
from harness.toolkit import torch_hub
from harness.weights.local_files import LocalFile

WEIGHTS = LocalFile(
    "dinov2_vitl14_pretrain.pth",
    source="https://dl.fbaipublicfiles.com/dinov2/dinov2_vitl14/dinov2_vitl14_pretrain.pth",
    variable="HARNESS_DINOV2",
    places=torch_hub.FOLDERS,
)


def check(config: Config) -> None:  # noqa: ARG001 - as components call it
    """Check that the file is there. Raises: UserError when it is in no place."""
    WEIGHTS.find(where="extractor dinov2")
