"""Checkpoints: safetensors for weights, one file for the rest, whole or absent, verified on load."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import torch
from torch import Tensor

from harness.store.files import appearing_folder, set_aside, storage
from harness.store.keys import file_sha256
from harness.weights import state_dicts

log = logging.getLogger(__name__)
KEPT = 2
"""Newest checkpoints that stay: one more than needed, in case the newest is damaged."""


@dataclass(frozen=True)
class Checkpoint:
    """All that training needs to go on.

    Args:
        step: steps taken.
        tensors: weights by "track/name": `model/…`, and `ema/…`, `best/…` where there are such tracks.
        state: the method's state and the loop's own, tensors in plain containers.
    """

    step: int
    tensors: Mapping[str, Tensor]
    state: Mapping[str, object]

    def track(self, name: str) -> dict[str, Tensor]:
        """The weights of one track; empty when there is none."""
        prefix = f"{name}/"
        return {key.removeprefix(prefix): value for key, value in self.tensors.items() if key.startswith(prefix)}


def write(folder: Path, checkpoint: Checkpoint) -> Path:
    """Write a checkpoint under `folder` and forget old ones. Raises: StorageError; the older ones are then still there."""
    path = folder / f"step-{checkpoint.step:010d}"
    if path.is_dir():
        return path
    with appearing_folder(path) as scratch:
        state_dicts.save(checkpoint.tensors, scratch / "weights.safetensors")
        with storage(path):
            _save_state(checkpoint.state, scratch / "state.pt")
            files = {file.name: file_sha256(file) for file in sorted(scratch.iterdir())}
            (scratch / "manifest.json").write_text(json.dumps({"step": checkpoint.step, "files": files}))
    for old in _all(folder)[KEPT:]:
        shutil.rmtree(old, ignore_errors=True)
    return path


class _Sink:
    """A file for torch.save, which turns the system's refusal into a RuntimeError about its own positions."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.refusal: OSError | None = None

    def write(self, content: bytes) -> int:
        try:
            return self.file.write(content)
        except OSError as error:
            self.refusal = error
            raise

    def flush(self) -> None:
        self.file.flush()


def _save_state(state: Mapping[str, object], path: Path) -> None:
    with path.open("wb") as file:
        sink = _Sink(file)
        try:
            torch.save(dict(state), cast(BinaryIO, sink))
        except RuntimeError:
            if sink.refusal is not None:
                raise sink.refusal from None
            raise


def read_newest(folder: Path) -> Checkpoint | None:
    """The newest undamaged checkpoint; damaged ones are reported and renamed. None when there is none."""
    for path in _all(folder):
        try:
            return _read(path)
        except Exception as error:
            # A flipped bit can make torch or safetensors raise anything; whatever it is, the file is no good.
            log.warning("%s is damaged (%s); set aside as %s, using the one before", path, error, set_aside(path).name)
    return None


def _all(folder: Path) -> list[Path]:
    """Checkpoints, newest first."""
    return sorted((path for path in folder.glob("step-*") if path.suffix == ""), reverse=True)


def _read(path: Path) -> Checkpoint:
    manifest = json.loads((path / "manifest.json").read_bytes())
    for name, expected in manifest["files"].items():
        if file_sha256(path / name) != expected:
            raise ValueError(f"{name} does not match its checksum")
    state = torch.load(path / "state.pt", map_location="cpu", weights_only=True)
    return Checkpoint(manifest["step"], state_dicts.load(path / "weights.safetensors"), state)
