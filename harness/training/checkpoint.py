"""Checkpoints of training. Weights are in a safetensors file, and everything else is in a second file.

A checkpoint is complete or absent, and its checksums are verified when it is read.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NotRequired, TypedDict, cast

import torch
from torch import Tensor

from harness.process.out_of_memory import is_out_of_memory
from harness.store.files import Damage, StorageError, appearing_folder, reading, remove_folder, set_aside, storage
from harness.store.manifests import MANIFEST, read_manifest, write_manifest
from harness.training.curve import CurveState
from harness.weights import state_dicts

log = logging.getLogger(__name__)
MEMORY_REMEDY = "free memory or run fewer jobs at once (--jobs), and run again: it goes on from the checkpoint"
KEPT = 2
"""The number of checkpoints that are kept, the newest ones. The second newest is used when the newest is damaged."""

_PREFIX = "step-"
_OLD_FIELDS = frozenset({"step"})
"""The fields of a manifest of version 1."""


class TrainingState(TypedDict):
    """The part of a checkpoint beside the weights.

    Args:
        method: the method's `state_dict`, tensors in plain containers.
        seconds: time of training so far.
        evaluations: examples that went through networks so far, without those of drawing banks and of the curve. Checkpoints of
            older versions include the curve's where the curve selects weights.
        evaluations_with_graph: how many of them went through while a graph was kept; None where training began with an older
            version, which did not count them, and absent in checkpoints of older versions.
        bank_costs: network evaluations of each bank, by its key.
        unlogged: the scalars since the last log, by name; absent in checkpoints of older versions.
        lost: steps left out of each candidate that diverged, by `round/candidate`; absent in checkpoints of older versions.
        log_lines: lines of the training's log so far; absent where there is no log, and in checkpoints of older versions.
        curve: present where the training has a curve.
    """

    method: dict[str, object]
    seconds: float
    evaluations: int
    evaluations_with_graph: NotRequired[int | None]
    bank_costs: dict[str, float]
    unlogged: NotRequired[dict[str, Tensor]]
    lost: NotRequired[dict[str, int]]
    log_lines: NotRequired[int]
    curve: NotRequired[CurveState]


@dataclass(frozen=True)
class Checkpoint:
    """The state from which training goes on.

    Args:
        step: steps taken.
        tensors: weights by "track/name". A track is one set of weights: `model` always; `ema`, `best`, `best_raw`
            and `start` (of a round with candidates) where training has them.
        state: everything else.
    """

    step: int
    tensors: Mapping[str, Tensor]
    state: TrainingState

    def track(self, name: str) -> dict[str, Tensor]:
        """Return the weights of a track; an empty dict when the checkpoint has no such track."""
        prefix = f"{name}/"
        return {key.removeprefix(prefix): value for key, value in self.tensors.items() if key.startswith(prefix)}


def write(folder: Path, checkpoint: Checkpoint) -> Path:
    """Write a checkpoint under `folder`, and delete all but the newest KEPT.

    A checkpoint that exists for this step already is kept as it is. Returns: the checkpoint's folder.
    Raises: StorageError when the disk refuses; the older checkpoints then remain.
    """
    path = folder / _folder_name(checkpoint.step)
    if path.is_dir():
        return path
    with appearing_folder(path) as scratch:
        state_dicts.save(checkpoint.tensors, scratch / "weights.safetensors")
        with storage(path):
            _save_state(checkpoint.state, scratch / "state.pt")
            write_manifest(scratch, {"training": folder.name, "step": checkpoint.step})
    for old in _all(folder)[KEPT:]:
        remove_folder(old)
    return path


class _Sink:
    """A file that remembers why the system refused a write.

    torch.save turns such an OSError into a RuntimeError about positions in its archive, which does not say that the disk is full.
    """

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


def _save_state(state: TrainingState, path: Path) -> None:
    with path.open("wb") as file:
        sink = _Sink(file)
        try:
            torch.save(dict(state), cast(BinaryIO, sink))
        except RuntimeError:
            if sink.refusal is not None:
                raise sink.refusal from None
            raise


def read_newest(folder: Path) -> Checkpoint | None:
    """Read the newest undamaged checkpoint; None when there is none. Damaged checkpoints are reported and renamed.

    Raises: StorageError when the system refuses to read one, or its memory runs out, which is then no damage.
    """
    for path in _all(folder):
        try:
            return _read(path)
        except Damage as damage:
            log.warning("%s is damaged (%s); set aside as %s, using the one before", path, damage, set_aside(path).name)
    return None


def read_step(folder: Path, step: int) -> Checkpoint:
    """Read the checkpoint of a step, which another process of the job has read a moment ago. Raises: Damage; StorageError."""
    return _read(folder / _folder_name(step))


def _all(folder: Path) -> list[Path]:
    """Return the folders of checkpoints, newest first. Damaged checkpoints were renamed with a suffix, and are left out."""
    try:
        with reading(folder):
            names = os.listdir(folder)
    except Damage:  # nothing was written yet
        return []
    return [folder / name for name in sorted(names, reverse=True) if name.startswith(_PREFIX) and "." not in name]


def _read(path: Path) -> Checkpoint:
    """Read the checkpoint in a folder. Raises: Damage; StorageError."""
    manifest = read_manifest(path, _OLD_FIELDS)
    step, training = manifest.fields.get("step"), manifest.fields.get("training")
    # The folder's name says it again, which is all that vouches for the step of a checkpoint of an older version.
    if path.name != _folder_name(step) or (manifest.is_sealed and training != path.parent.name):
        raise Damage(f"{MANIFEST}: of another checkpoint: step {step} of {training}")
    try:
        with reading(path):
            state = torch.load(path / "state.pt", map_location="cpu", weights_only=True)
            return Checkpoint(int(path.name.removeprefix(_PREFIX)), state_dicts.load(path / "weights.safetensors"), state)
    except (Damage, StorageError):
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise StorageError(f"{path}: memory ran out while the checkpoint was read; {MEMORY_REMEDY}") from error
        # A file that was damaged before its hash was taken can make torch or safetensors raise anything.
        raise Damage(str(error)) from error


def _folder_name(step: object) -> str:
    return f"{_PREFIX}{step:010d}" if isinstance(step, int) else ""
