"""Copies of outputs of pretraining, in folders of any name outside of a runs folder."""

from __future__ import annotations

import shutil
from pathlib import Path

from harness.errors import UserError
from harness.stages.facts import BaseFacts
from harness.store.files import Damage, appearing_folder, storage
from harness.store.manifests import MANIFEST, read_manifest
from harness.store.outputs import Output, is_there

STAGE = "base"
_FIELDS = frozenset({"stage", "key", "facts"})


def read_copy(folder: Path, key: str, *, compares_files: bool = True) -> Output | None:
    """Return the copy of the base with this key in a folder; None where the folder is absent, or holds another output.

    Args:
        compares_files: False to leave the files beside the manifest alone.
    Raises: UserError when the copy is damaged, or was made by an older version, so that nothing vouches for its facts.
    """
    if not is_there(folder):
        return None
    try:
        manifest = read_manifest(folder, _FIELDS, compares_files=compares_files)
    except Damage as error:
        raise UserError(f"{folder}: damaged: {error}") from error
    facts = manifest.fields.get("facts")
    if not manifest.is_sealed or not isinstance(facts, dict):
        raise UserError(f"{folder}: its manifest has no checksum, so that nothing vouches for what it says")
    if (manifest.fields.get("stage"), manifest.fields.get("key")) != (STAGE, key):
        return None
    output = Output(folder, facts, manifest.files, is_fresh=False)
    try:
        BaseFacts.of(output)
    except ValueError as error:
        raise UserError(f"{folder}: damaged: no facts of a base in its manifest") from error
    return output


def copy(output: Output, target: Path) -> None:
    """Copy an output into a folder of any name, byte by byte. It appears whole or not at all; one that is there stays.

    Raises: StorageError.
    """
    with appearing_folder(target) as scratch, storage(target):
        for name in (MANIFEST, *output.files):
            shutil.copyfile(output.folder / name, scratch / name)
