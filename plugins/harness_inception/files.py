"""Where the weights are, by the names and addresses in torch-fidelity's and clean-fid's code. Importing it costs no torch."""

from __future__ import annotations

from harness.config import Config
from harness.presets import WeightsFile
from harness.toolkit import torch_hub
from harness.weights.local_files import LocalFile

INCEPTION = LocalFile(
    "weights-inception-2015-12-05-6726825d.pth",
    source="https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
    sha256="6726825d",  # the name ends with the first digits of the hash, by torch.hub's convention
    variable="HARNESS_INCEPTION",
    places=torch_hub.FOLDERS,  # torch-fidelity downloads by torch.hub
)
CLEAN = LocalFile(
    "inception-2015-12-05.pt",
    source="https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/inception-2015-12-05.pt",
    # The file is TorchScript, a program: no other file is run. clean-fid keeps it in /tmp, where anybody may have put it, so that
    # folder is not searched.
    sha256="f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4",
    variable="HARNESS_INCEPTION_CLEAN",
)


FULL_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
"""The whole hash of the network, which torch-fidelity's file shares with others of its name's digits."""


def needed_inception(config: Config) -> list[WeightsFile]:  # noqa: ARG001 - as components call it
    """Return torch-fidelity's file, unless it is in a place of the user's already."""
    return INCEPTION.to_fetch(FULL_SHA256)


def needed_nvidia(config: Config) -> list[WeightsFile]:  # noqa: ARG001 - as components call it
    """Return the TorchScript, unless it is in a place of the user's already."""
    return CLEAN.to_fetch()


def check_inception(config: Config) -> None:  # noqa: ARG001 - as components call it
    """Check that torch-fidelity's file is there. Raises: UserError when it is in no place, or is another file."""
    INCEPTION.verified(where="extractor inception")


def check_nvidia(config: Config) -> None:  # noqa: ARG001 - as components call it
    """Check that the TorchScript, which clean-fid uses too, is there. Raises: UserError as `check_clean`."""
    CLEAN.verified(where="extractor inception-nvidia")


def check_clean(config: Config) -> None:  # noqa: ARG001 - as components call it
    """Check that clean-fid's file is there. Raises: UserError when it is in no place, or is another file."""
    CLEAN.verified(where="extractor inception-clean")
