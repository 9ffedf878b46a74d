"""Reading of weight files of every known format, without running any code that a file holds."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from safetensors import SafetensorError, safe_open

from harness.errors import UserError, first_line
from harness.store.reading import decoded, open_regular, read_bytes
from harness.weights import pickles, torch_files
from harness.weights.diffusers_folders import network_folder, weights_files

Format = Literal["safetensors", "pytorch", "diffusers", "nvidia"]
LARGEST_CONFIG = 2**20
"""Bytes of the largest config.json that is read."""

_LEGACY = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
"""The first bytes of torch's old format: the pickle of its magic number."""

SCHEMA = 1
"""Version of the header that `harness convert` writes."""
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
    return first_line(str(error)) or repr(error)


def _safetensors(path: Path) -> Stored:
    with _damage(path, SafetensorError, OSError, ValueError, RecursionError), safe_open(path, "pt") as file:
        tensors: dict[str, object] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dictionary
        config = json.loads((file.metadata() or {}).get(HEADER, "{}"))
    if not isinstance(config, dict):
        return Stored(path, "safetensors", tensors)
    _refuse_newer(path, config.get("schema", SCHEMA))
    return Stored(path, "safetensors", tensors, config)


def _refuse_newer(path: Path, schema: object) -> None:
    if schema not in range(1, SCHEMA + 1):
        raise UserError(
            f"{path}: its header is of another version of the harness (schema {schema!r}, known: {SCHEMA}); upgrade, "
            "or convert the file again"
        )


def _pytorch(path: Path) -> dict[str, object]:
    content = torch_files.load(path)
    if isinstance(content, list | tuple) and any(isinstance(item, Mapping) for item in content):
        return {str(place): item for place, item in enumerate(content)}  # a list of state dicts, such as DDIM's code saves
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


def _diffusers(path: Path) -> Stored:
    folder = network_folder(path)
    files = weights_files(folder)
    config = folder / "config.json"
    if config.stat().st_size > LARGEST_CONFIG:
        raise UserError(f"{config}: {config.stat().st_size} bytes are no settings")
    with _damage(config, ValueError, OSError, RecursionError):
        settings = json.loads(decoded(read_bytes(config, largest=LARGEST_CONFIG), config))
    if not isinstance(settings, dict):
        raise UserError(f"{config}: no table of settings")
    sets = {name: _joined(folder, paths) for name, paths in files.items()}
    content: Mapping[str, object] = next(iter(sets.values())) if len(sets) == 1 else sets
    return Stored(folder, "diffusers", content, settings)


def _joined(folder: Path, shards: Sequence[Path]) -> dict[str, object]:
    """Return the tensors of all shards together. Raises: UserError for a tensor that two shards hold."""
    content: dict[str, object] = {}
    for shard in shards:
        tensors = read(shard).content
        if twice := sorted(content.keys() & tensors.keys()):
            raise UserError(f"{folder}: two shards hold {twice[0]}")
        content.update(tensors)
    return content
