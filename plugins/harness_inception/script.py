"""NVIDIA's TorchScript of the Inception network, the only program that an extractor loads."""

from __future__ import annotations

import io
import warnings

import torch

from harness.errors import UserError, first_line
from harness_inception import files


def load(*, where: str) -> tuple[torch.jit.ScriptModule, str]:
    """Return the network on the CPU, in eval mode, and its sha256.

    Args:
        where: the extractor, with which messages begin.
    Raises: UserError when the file is absent, or not the pinned one. No other file is loaded, since TorchScript is a program.
    """
    content, sha256 = files.CLEAN.verified_content(where=where)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # torch deprecates TorchScript, the file's format
            return torch.jit.load(io.BytesIO(content), map_location="cpu").eval(), sha256
    except RuntimeError as error:
        raise no_network(where, error) from error


def no_network(where: str, error: Exception) -> UserError:
    """Return the error for a pinned file that is not the network."""
    return UserError(f"{where}: {files.CLEAN.name} holds no such network: {first_line(str(error))}")
