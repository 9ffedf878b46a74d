"""The stores that the settings of `images` name, and how their images are split. Importing this module costs no torch."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import cast

from harness.config import Config
from harness.errors import UserError
from harness.images.stores.index import INDEX, StoreIndex, read_index
from harness_stores import ImagesConfig

WHERE = "dataset images"
MANUAL = "docs/data.md"
TENTH = 10
"""Where the settings say nothing, one image of so many is held out."""


@dataclass(frozen=True)
class Split:
    """The rows of a store by what they are for.

    Args:
        train: rows for training, before any are set apart.
        held_out: rows for evaluation, where the store has a part for it; None where they are set apart or in a second store.
        selection: rows that the curve's images are taken from; None where they are set apart from those for training.
        holdout: number of images to set apart for evaluation.
    """

    train: range
    held_out: range | None
    selection: range | None
    holdout: int = 0


def split(index: StoreIndex, config: ImagesConfig) -> Split:
    """Return how a store is split. Raises: UserError for settings that do not go with its parts."""
    rows: dict[str, range] = {}
    start = 0
    for part in index.parts:
        rows[part.name] = range(start, start + part.images)
        start += part.images
    if config.evaluation is not None:
        if config.holdout is not None:
            raise UserError(f"{WHERE}: holdout and evaluation both say what is held out; give one")
        return Split(rows.get("train", range(start)), None, None)
    parts = [name for name in ("test", "validation") if name in rows]
    if parts and config.holdout is not None:
        raise UserError(f"{WHERE}: holdout: {config.store} has {parts[0]} images of its own; leave the setting out")
    if parts:
        return Split(rows["train"], rows[parts[0]], rows["validation"] if len(parts) == 2 else None)
    return Split(range(start), None, None, holdout=config.holdout or -(-start // TENTH))


def check(config: Config) -> None:
    """Check that the stores are there and go together. Raises: UserError, which says how to make one."""
    images = cast(ImagesConfig, config)
    if images.made_up and images.store is None:
        return
    index = index_of(images)
    split(index, images)
    if images.evaluation is not None and not images.made_up:
        other = read_index(images.evaluation.path)
        if (other.shape, other.classes) != (index.shape, index.classes):
            raise UserError(
                f"{WHERE}: {images.evaluation} holds images of {other.shape} in {len(other.classes)} classes, and {images.store} "
                f"of {index.shape} in {len(index.classes)}; import both in one way, and with the same classes"
            )
    if images.fingerprint is not None and not images.made_up and (found := _fingerprint(images)) != images.fingerprint:
        raise UserError(f"{WHERE}: {images.store} has the fingerprint {found}, and the board says {images.fingerprint}")


def index_of(config: ImagesConfig) -> StoreIndex:
    """Return the index of the first store. Raises: UserError where none is named, or where it is absent or damaged."""
    if config.store is None:
        raise UserError(
            f"{WHERE}: name a store, {{name: images, store: PATH}}; `harness import SOURCE PATH` makes one ({MANUAL})"
        )
    try:
        return read_index(config.store.path)
    except UserError as error:
        raise UserError(f"{WHERE}: {error}") from None


def content(config: ImagesConfig) -> str:
    """Return a text that stands for the images: the fingerprint of the stores, or their paths where they are not there."""
    try:
        return _fingerprint(config)
    except UserError:
        return " ".join(store.text for store in (config.store, config.evaluation) if store is not None)


def _fingerprint(config: ImagesConfig) -> str:
    """Return the fingerprint of the store; of two, the sha256 of both, joined by a blank."""
    stores = [store.path for store in (config.store, config.evaluation) if store is not None]
    prints = [_of_store(store, *_state(store)) for store in stores]
    return prints[0] if len(prints) == 1 else hashlib.sha256(" ".join(prints).encode()).hexdigest()


def _state(store: Path) -> tuple[int, int]:
    """Return length and time of the index, which tell whether it stayed the same: keys ask for the fingerprint often."""
    try:
        facts = os.stat(store / INDEX)
    except OSError:
        return -1, -1
    return facts.st_size, facts.st_mtime_ns


@cache
def _of_store(store: Path, size: int, changed: int) -> str:  # noqa: ARG001 - both tell whether the index stayed the same
    return read_index(store).fingerprint
