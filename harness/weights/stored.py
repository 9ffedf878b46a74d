"""Reading of weight files of every known format, without running any code that a file holds."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from safetensors import SafetensorError, safe_open

from harness.errors import UserError
from harness.store.reading import decoded, open_regular, read_bytes
from harness.weights import pickles, torch_files

Format = Literal["safetensors", "pytorch", "diffusers", "nvidia"]
LARGEST_CONFIG = 2**20
"""Bytes of the largest config.json that is read."""

_LEGACY = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
"""The first bytes of torch's old format: the pickle of its magic number."""

_DIFFUSERS = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin")
HEADER = "harness"
"""The key in a safetensors header under which `harness convert` writes JSON."""


@dataclass(frozen=True)
class Stored:
    """The content of a file of weights.

    Args:
        path: the file, or the folder in the format of diffusers.
        format: the format in which the file was read.
        content: tensors by name, or a checkpoint's nested tables with tensors by name inside.
        config: the file's description of the network: config.json of a diffusers folder; the constructor's arguments and
            `class_name` of a network pickle; the header that `harness convert` writes; empty for other files.
    """

    path: Path
    format: Format
    content: Mapping[str, object]
    config: Mapping[str, object] = field(default_factory=dict)


def read(path: Path) -> Stored:
    """Return everything in a file, on the CPU. Tensors of a PyTorch zip file stay on disk until they are used.

    The format is recognised by the content; the file's name does not matter. Raises: UserError, naming the file, when it is
    absent, damaged, of no known format, or holds anything but data.
    """
    if path.is_dir():
        return _diffusers(path)
    try:
        with open_regular(path) as file:
            start, size = file.read(16), os.fstat(file.fileno()).st_size
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    # safetensors is tried first. It begins with the length of its header, and these bytes can equal the first bytes of another
    # format. But the first bytes of another format, read as a length, give a number far above the file's size.
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= size:
        return _safetensors(path)
    if start.startswith((b"PK", _LEGACY)):
        return Stored(path, "pytorch", _pytorch(path))
    if start.startswith(b"\x80"):
        return _nvidia(path)
    raise UserError(f"{path}: no file of weights: neither safetensors, nor PyTorch's, nor a network pickle")


@contextmanager
def _damage(path: Path, *kinds: type[Exception]) -> Iterator[None]:
    """Turn the exceptions that a library raises for a damaged file into one message."""
    try:
        yield
    except kinds as error:
        raise UserError(f"{path}: cannot be read: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else repr(error)


def _safetensors(path: Path) -> Stored:
    with _damage(path, SafetensorError, OSError, ValueError, RecursionError), safe_open(path, "pt") as file:
        tensors: dict[str, object] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dictionary
        config = json.loads((file.metadata() or {}).get(HEADER, "{}"))
    return Stored(path, "safetensors", tensors, config if isinstance(config, dict) else {})


def _pytorch(path: Path) -> dict[str, object]:
    content = torch_files.load(path)
    if not isinstance(content, Mapping):
        raise UserError(f"{path}: holds one {type(content).__name__}, not tensors by name")
    return {str(name): value for name, value in content.items()}


def _nvidia(path: Path) -> Stored:
    with _damage(path, OSError):
        content = pickles.load(path)
    try:
        network = pickles.network(content)
        tensors = pickles.state_dict(network)
        return Stored(path, "nvidia", tensors, {"class_name": network.class_name, **network.arguments})
    except pickles.RefusedPickle as error:
        raise pickles.RefusedPickle(f"{path}: {error}") from None


def _diffusers(folder: Path) -> Stored:
    config = folder / "config.json"
    weights = next((folder / name for name in _DIFFUSERS if (folder / name).is_file()), None)
    if weights is None or not config.is_file():
        raise UserError(f"{folder}: no diffusers folder: needs config.json and {' or '.join(_DIFFUSERS)}")
    if config.stat().st_size > LARGEST_CONFIG:
        raise UserError(f"{config}: {config.stat().st_size} bytes are no settings")
    with _damage(config, ValueError, OSError, RecursionError):
        settings = json.loads(decoded(read_bytes(config, largest=LARGEST_CONFIG), config))
    if not isinstance(settings, dict):
        raise UserError(f"{config}: no table of settings")
    return Stored(folder, "diffusers", read(weights).content, settings)
