"""Verify a pack, or the published records of a board."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.board.board import Board
from harness.board.reading.load import load_board
from harness.errors import UserError, faults_of
from harness.store.board_folder import BoardFolder
from harness.store.runs_folder import RunsFolder
from harness.submission.archive import read_pack
from harness.submission.findings import Finding, confirmed, contradicted, unconfirmed
from harness.submission.manifest import MANIFEST, Manifest, check_files, read_manifest
from harness.submission.record_checks import check_records


@dataclass(frozen=True)
class VerifyOptions:
    """Options that say what is done beyond reading.

    Args:
        runs: the runs folder with sample sets and weights.
        recompute: how many cells are measured again.
        replay_steps: steps of one cell that are trained again; 0 for none.
        seed: of the choice of cells.
    """

    runs: RunsFolder
    recompute: int = 0
    replay_steps: int = 0
    seed: int = 0
    device: str = "auto"


def verify(target: Path, options: VerifyOptions) -> Iterator[Finding]:
    """Yield the findings about a pack, or about a board's folder.

    Raises: UserError for a file that cannot be read as a pack, and for a folder without a board.
    """
    if target.is_dir() or target.name == "board.yaml":
        yield from _verify_board(load_board(target), options)
    else:
        yield from _verify_pack(target, options)


def _verify_pack(path: Path, options: VerifyOptions) -> Iterator[Finding]:
    files = read_pack(path)
    manifest = read_manifest(files.pop(MANIFEST))
    if not isinstance(manifest, Manifest):
        yield manifest
        return
    yield from check_files(manifest, files)
    with _unpacked(manifest, files) as folder:
        try:
            board = load_board(folder)
        except UserError as error:
            for fault in faults_of(error):
                yield unconfirmed("board", f"cannot be read here: {fault.replace(str(folder), manifest.board)}")
            return
        yield from _verify_board(board, options)


@contextmanager
def _unpacked(manifest: Manifest, files: dict[str, bytes]) -> Iterator[Path]:
    """Write the files of a pack into a temporary folder that has the name of the board. Their names have been checked."""
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / manifest.board
        BoardFolder(folder).results.mkdir(parents=True)
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        yield folder


def _verify_board(board: Board, options: VerifyOptions) -> Iterator[Finding]:
    results = BoardFolder(board.folder).results
    if not any(results.glob("*.json")):
        yield contradicted("board", f"{board.name} has no published records")
        return
    cells, floors = (
        f"{n} {word}{'' if n == 1 else 's'}" for n, word in ((len(board.cells), "cell"), (len(board.floors), "floor"))
    )
    yield confirmed("board", f"{board.name}: {cells}, {floors}, protocol {board.config.protocol}")
    yield from check_records(board)
    if options.recompute:
        from harness.submission.recompute import recompute

        yield from recompute(board, options.runs, options.recompute, seed=options.seed, device=options.device)
    else:
        yield unconfirmed("values", "no value was measured again; --recompute K does, from the sample sets of a runs folder")
    if options.replay_steps:
        from harness.submission.replay import replay

        yield from replay(board, options.runs, steps=options.replay_steps, seed=options.seed, device=options.device)
    else:
        yield unconfirmed("training", "no training was begun again; --replay does, from the base's weights in a runs folder")
