"""The manifest of a pack: which files it holds, with their sizes and hashes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from harness.store.seal import seal_fault, sealed
from harness.submission.findings import Finding, confirmed, contradicted
from harness.validation import first_fault

SCHEMA = 1
MANIFEST, ENVIRONMENT, BOARD, REPORTED, RESULTS = "manifest.json", "environment.json", "board.yaml", "reported.csv", "results/"
"""Names of files in a pack; records and training logs stand under `results/`."""
LONGEST_NAME = 200
"""Bytes of the longest name of a board, in UTF-8: file systems take 255."""


def board_name(name: str) -> str:
    """Return the name of a board, which is to be that of a folder. Raises: ValueError for a name that a pack does not take."""
    is_plain = name.isprintable() and not name.startswith(".") and not {"/", "\\"} & set(name)
    if not (name and is_plain and len(name.encode(errors="replace")) <= LONGEST_NAME):
        raise ValueError(
            f"{name!r} is no name of a board in a pack: printable characters without slashes, no dot first, {LONGEST_NAME} bytes "
            "at most"
        )
    return name


class PackedFile(BaseModel):
    """Size in bytes and hash of a file."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    bytes: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Manifest(BaseModel):
    """The content of the manifest.

    Args:
        pack: version of the format.
        board: name of the board, which is the name of its folder.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")
    pack: int = SCHEMA
    board: Annotated[str, AfterValidator(board_name)]
    harness: str = ""
    files: dict[str, PackedFile]


def manifest_text(board: str, harness: str, files: Mapping[str, bytes]) -> str:
    """Return the text of the manifest of these files, with a seal."""
    packed = {name: PackedFile(bytes=len(files[name]), sha256=_sha256(files[name])) for name in sorted(files)}
    return sealed(Manifest(board=board, harness=harness, files=packed).model_dump(mode="json"))


def read_manifest(content: bytes) -> Manifest | Finding:
    """Return the manifest; the finding that says why it is none."""
    if (fault := seal_fault(content, "manifest")) is not None:
        return contradicted("manifest", f"{MANIFEST}: {fault}")
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        return contradicted("manifest", f"{MANIFEST}: {first_fault(error, None)}")
    if manifest.pack > SCHEMA:
        return contradicted("manifest", f"{MANIFEST}: of a newer harness (format {manifest.pack}, known: {SCHEMA}); upgrade")
    return manifest


def check_files(manifest: Manifest, files: Mapping[str, bytes]) -> list[Finding]:
    """Compare the files of a pack, without the manifest, with what the manifest says."""
    listed = manifest.files
    faults = [f"{name}: is not in the manifest" for name in sorted(set(files) - set(listed))]
    faults += [f"{name}: is in the manifest, and not in the pack" for name in sorted(set(listed) - set(files))]
    for name in sorted(set(listed) & set(files)):
        if (len(files[name]), _sha256(files[name])) != (listed[name].bytes, listed[name].sha256):
            faults.append(f"{name}: its content is not what the manifest says")
    if faults:
        return [contradicted("hashes", fault) for fault in faults]
    return [confirmed("hashes", f"{len(listed)} files are as the manifest says")]


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
