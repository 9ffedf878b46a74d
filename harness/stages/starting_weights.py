"""The weights of bases that a training starts from. Keys hold the settings of bases, under which other libraries make others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from harness.store.files import set_aside, storage, write_text

BASES = "bases.json"
"""The file beside the checkpoints that notes the weights of the bases."""

BaseWeights = Mapping[str, str]
"""Hash of the weights of each base that has a part in a training, by the base's key."""


def begin_on(work: Path, base_weights: BaseWeights) -> None:
    """Note the weights that a training starts from, beside its checkpoints; set aside what it began on other ones.

    Else a training would go on from the old weights of a base that was made anew, and its record would name the new ones.
    Checkpoints of an older version have no note, and are taken as they are. Raises: StorageError.
    """
    note, content = work / BASES, json.dumps(base_weights, sort_keys=True)
    with storage(note):
        if note.is_file() and note.read_text("utf-8") != content:
            set_aside(work, "replaced")
        work.mkdir(parents=True, exist_ok=True)
    write_text(note, content)


def are_others(noted: BaseWeights | None, base_weights: BaseWeights) -> bool:
    """Return whether an output was made of other weights. An older version noted none: its outputs stay in use."""
    return noted is not None and noted != base_weights
