"""Manifests: the file in an output's or checkpoint's folder that says whose folder it is, with the hash of each other file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path

from harness.errors import EndsTheRun
from harness.store.files import Damage, reading
from harness.store.keys import file_sha256
from harness.store.reading import read_bytes
from harness.store.seal import seal_fault, sealed

MANIFEST = "manifest.json"
SCHEMA = 2
"""Version of the format. Version 1 had no number and no seal."""


@dataclass(frozen=True)
class Manifest:
    """The content of a manifest.

    Args:
        fields: everything beside the hashes.
        files: sha256 of each file, by name.
        is_sealed: False for a manifest of an older version. It holds no checksum of itself, so that its files are known to be
            whole once they are compared with their hashes, and its other fields are not.
    """

    fields: Mapping[str, object]
    files: Mapping[str, str]
    is_sealed: bool


def write_manifest(folder: Path, fields: Mapping[str, object]) -> Mapping[str, str]:
    """Write the manifest of a folder that has all its other files. Returns: their hashes by name. Raises: OSError."""
    files = {file.name: file_sha256(file) for file in sorted(folder.iterdir())}
    (folder / MANIFEST).write_text(sealed({"schema": SCHEMA, **fields, "files": files}), encoding="utf-8")
    return files


def read_manifest(folder: Path, names: Set[str], *, compares_files: bool = True) -> Manifest:
    """Read a folder's manifest, and compare every file with its hash.

    Args:
        names: names of all fields beside the files.
        compares_files: False to leave the files alone, where only the fields are of use: a file may be of many gigabytes.
    Raises: Damage when the manifest or a file is absent or not as it was written; StorageError when one cannot be
        read; EndsTheRun for a manifest of a newer harness.
    """
    path = folder / MANIFEST
    with reading(path):
        content = read_bytes(path)
    try:
        fields = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Damage(f"{MANIFEST}: {error}") from error
    # A manifest that has any more than those of version 1 had is a sealed one, or a damaged one.
    is_sealed = not (isinstance(fields, dict) and fields.keys() == names | {"files"})
    if is_sealed and (fault := seal_fault(content, "manifest")) is not None:
        raise Damage(f"{MANIFEST}: {fault}")
    if is_sealed and type(fields.get("schema")) is not int:
        raise Damage(f"{MANIFEST}: no number of its format")
    if is_sealed and fields["schema"] > SCHEMA:
        raise EndsTheRun(f"{path}: written by a newer harness (schema {fields['schema']}, known: {SCHEMA}); upgrade")
    files = fields.pop("files", None)
    if not isinstance(files, dict):
        raise Damage(f"{MANIFEST}: no hashes of files")
    for name in files:
        if name != Path(name).name:
            raise Damage(f"{MANIFEST}: {name!r} is no name of a file in its folder")
    if compares_files:
        _compare_files(folder, files)
    return Manifest(fields, files, is_sealed)


def _compare_files(folder: Path, files: Mapping[str, object]) -> None:
    for name, expected in files.items():
        with reading(folder / name):
            actual = file_sha256(folder / name)
        if actual != expected:
            raise Damage(f"{name} does not match its checksum")
