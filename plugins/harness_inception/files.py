"""Where the weights are. Names and addresses are those in torch-fidelity's and clean-fid's code. Importing it costs no torch."""

from __future__ import annotations

from harness.config import Config
from harness.weights.local_files import LocalFile

HUB = ("$TORCH_HOME/hub/checkpoints", "$XDG_CACHE_HOME/torch/hub/checkpoints", "~/.cache/torch/hub/checkpoints")
"""Where torch.hub, and with it torch-fidelity, keeps what it downloads."""

INCEPTION = LocalFile(
    "weights-inception-2015-12-05-6726825d.pth",
    source="https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
    sha256="6726825d",  # torch.hub's convention: the name ends with the first digits
    variable="HARNESS_INCEPTION",
    places=HUB,
)
CLEAN = LocalFile(
    "inception-2015-12-05.pt",
    source="https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/inception-2015-12-05.pt",
    variable="HARNESS_INCEPTION_CLEAN",
    places=("/tmp",),  # where clean-fid puts it
)


def check_inception(config: Config) -> None:  # noqa: ARG001 - as components call it
    """Raises: UserError when torch-fidelity's file is nowhere."""
    INCEPTION.find(where="extractor inception")


def check_clean(config: Config) -> None:  # noqa: ARG001 - as components call it
    """Raises: UserError when clean-fid's file is nowhere."""
    CLEAN.find(where="extractor inception-clean")
