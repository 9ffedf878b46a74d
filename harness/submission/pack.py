"""Pack the published records of a board into one zip file. The same records on the same machine give the same bytes."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import harness
from harness.board.board import Board
from harness.board.log_files import SUFFIX
from harness.errors import UserError
from harness.process import environment
from harness.store.board_folder import BoardFolder
from harness.store.files import appearing, storage
from harness.store.reading import read_bytes
from harness.submission.archive import is_chosen_file
from harness.submission.manifest import BOARD, ENVIRONMENT, MANIFEST, REPORTED, RESULTS, board_name, manifest_text

MOMENT = (1980, 1, 1, 0, 0, 0)
"""The time of every file in a pack, so that its bytes do not depend on when it was made. Zip files know no earlier one."""


def packed_files(board: Board) -> dict[str, bytes]:
    """Return the files of a pack by name, without the manifest.

    Raises: UserError for a board without published records, for a smoke board, and for a board that takes settings from a file
        elsewhere.
    """
    folder = BoardFolder(board.folder)
    results = [path for pattern in ("*.json", f"*{SUFFIX}") for path in sorted(folder.results.glob(pattern))]
    if board.is_smoke or not any(path.suffix == ".json" and not path.name.startswith("preview__") for path in results):
        raise UserError(f"{board.folder}: has no published records; run `harness publish {board.folder}` first")
    try:
        board_name(board.name)
    except ValueError as error:
        raise UserError(f"{board.folder}: {error}; give the folder of the board another name") from error
    files = {BOARD: read_bytes(board.folder / BOARD), ENVIRONMENT: _environment()}
    if folder.reported.is_file():
        files[REPORTED] = read_bytes(folder.reported)
    for chosen in board.chosen:
        if not is_chosen_file(chosen.file):
            raise UserError(
                f"{board.folder}: takes settings from {chosen.file}, which no pack can hold; the search must write a file in the "
                "board's folder, such as searched/ddo.yaml"
            )
        files[chosen.file] = read_bytes(board.folder / chosen.file)
    return {**files, **{f"{RESULTS}{path.name}": read_bytes(path) for path in results}}


def write_pack(board: Board, target: Path) -> int:
    """Write the pack of a board. Returns: how many files it holds. Raises: UserError, as `packed_files`; StorageError."""
    files = packed_files(board)
    with storage(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    with appearing(target) as scratch:
        scratch.write_bytes(zipped({MANIFEST: manifest_text(board.name, harness.__version__, files).encode(), **files}))
    return len(files) + 1


def zipped(files: Mapping[str, bytes]) -> bytes:
    """Return a zip archive of these files, in the order of their names, without times and owners."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(files):
            member = zipfile.ZipInfo(name, MOMENT)
            member.create_system, member.external_attr = 3, 0o644 << 16  # a file of Unix, on every system
            archive.writestr(member, files[name], zipfile.ZIP_DEFLATED, compresslevel=9)
    return buffer.getvalue()


def _environment() -> bytes:
    """Return the environment of the process that packs: Python, the harness and its commit, all installed packages."""
    packages = {dist.name: dist.version for dist in metadata.distributions() if dist.name}
    facts = {**environment.describe("cpu"), "packages": dict(sorted(packages.items(), key=lambda item: item[0].lower()))}
    return (json.dumps(facts, indent=1) + "\n").encode()
