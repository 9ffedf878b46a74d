"""Where a board's file is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.errors import UserError, closest

ENDINGS = (".yaml", ".yml")


def board_file(path: Path) -> Path:
    """Return the board.yaml of a board, given by its folder or by the file itself. Raises: UserError that names boards nearby."""
    file = path if path.suffix in ENDINGS else path / "board.yaml"
    if file.is_file():
        return file
    boards = _boards_in(path)
    hint = ""
    if not boards:
        boards = _boards_in(path.parent, Path("leaderboards"))
        meant = _meant(path, boards)
        hint = f"did you mean {str(meant)!r}? " if meant is not None and meant != path else ""
    listing = ", ".join(map(str, boards)) or "none"
    raise UserError(f"{path}: no board there ({_reason(path)}); {hint}boards: {listing}")


def _reason(path: Path) -> str:
    if (path / "board.yaml").is_dir():
        return "a folder stands where its board.yaml must be"
    if path.is_dir():
        return "no board.yaml in this folder"
    if path.exists():
        return "a board is a folder with a board.yaml"
    return "no such file" if path.suffix in ENDINGS else "no such folder"


def _meant(path: Path, boards: Sequence[Path]) -> Path | None:
    """Return the board that the path lies in, or else the one whose name is most like the last part of the path."""
    for folder in path.parents:
        if (folder / "board.yaml").is_file():
            return folder
    by_name = {board.name: board for board in boards}
    name = closest(path.name, by_name)
    return None if name is None else by_name[name]


def _boards_in(*folders: Path) -> list[Path]:
    """Return the boards right inside the folders, sorted. A board that can be reached by two paths stands there once."""
    boards = sorted({file.parent for folder in folders for file in folder.glob("*/board.yaml")})
    first_paths: dict[Path, Path] = {}
    for board in boards:
        first_paths.setdefault(board.resolve(), board)
    return list(first_paths.values())
