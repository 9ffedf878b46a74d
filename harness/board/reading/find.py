"""Where a board's file is."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from harness.errors import UserError, closest

ENDINGS = (".yaml", ".yml")


def board_file(path: Path) -> Path:
    """board.yaml of a board given by its folder or the file itself. Raises: UserError that names boards nearby."""
    file = path if path.suffix in ENDINGS else path / "board.yaml"
    if file.is_file():
        return file
    inside = _boards(path)
    near = inside or _boards(path.parent, Path("leaderboards"))
    meant = None if inside else _meant(path, near)
    hint = "" if meant is None else f"did you mean {str(meant)!r}? "
    listed = ", ".join(map(str, near)) or "none"
    raise UserError(f"{path}: no board there ({_reason(path)}); {hint}boards: {listed}")


def _reason(path: Path) -> str:
    if path.is_dir():
        return "no board.yaml in this folder"
    if path.exists():
        return "a board is a folder with a board.yaml"
    return "no such file" if path.suffix in ENDINGS else "no such folder"


def _meant(path: Path, near: Iterable[Path]) -> Path | None:
    """The board that the path lies in, or one whose name is like the path's last part: the parts before it are those of all."""
    around = next((one for one in path.parents if (one / "board.yaml").is_file()), None)
    by_name = {one.name: one for one in near}
    return around or by_name.get(closest(path.name, by_name) or "")


def _boards(*folders: Path) -> list[Path]:
    """Boards right inside the folders, sorted, each by one of its names."""
    found = sorted({file.parent for folder in folders for file in folder.glob("*/board.yaml")})
    return list({one.resolve(): one for one in reversed(found)}.values())[::-1]
