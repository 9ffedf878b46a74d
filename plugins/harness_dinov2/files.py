"""Where the weights are. Importing it costs no torch."""

from __future__ import annotations

from harness.config import Config
from harness.weights.local_files import LocalFile

WEIGHTS = LocalFile(
    "dinov2_vitl14_pretrain.pth",
    source="https://dl.fbaipublicfiles.com/dinov2/dinov2_vitl14/dinov2_vitl14_pretrain.pth",
    variable="HARNESS_DINOV2",
    places=("$TORCH_HOME/hub/checkpoints", "$XDG_CACHE_HOME/torch/hub/checkpoints", "~/.cache/torch/hub/checkpoints"),
)


def check(config: Config) -> None:  # noqa: ARG001 - as components call it
    """Raises: UserError when the file is nowhere."""
    WEIGHTS.find(where="extractor dinov2")
