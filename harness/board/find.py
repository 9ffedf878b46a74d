"""Where a board's file is."""

from __future__ import annotations

from pathlib import Path

from harness.errors import UserError, nearest


def board_file(path: Path) -> Path:
    """board.yaml of a board given by its folder or the file itself. Raises: UserError that names boards nearby."""
    file = path if path.suffix in (".yaml", ".yml") else path / "board.yaml"
    if file.is_file():
        return file
    near = sorted(
        found.parent for folder in (path, path.parent, Path("leaderboards")) for found in folder.glob("*/board.yaml")
    )
    names = sorted({str(folder) for folder in near})
    raise UserError(
        f"{path}: no board there (no {file.name}); {nearest(str(path), names)}boards: {', '.join(names) or 'none'}"
    )
