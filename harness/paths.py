"""Paths in the settings of components. A relative path begins at the board's folder, wherever the command runs.

Importing this module costs no torch.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, SerializationInfo, ValidationInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema


def expanded(path: str) -> Path:
    """Return a path with `~` expanded; as it is where no home folder is known, since HOME is unset and the user has no entry.

    No file is at a path that begins with `~`, so that a search goes on to the next place.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


class BoardPath(os.PathLike[str]):
    """The type of a setting that is a path: `folder: BoardPath = Field(description="…, from the board's folder")`.

    `open`, `pathlib.Path` and `str` take it as the path that it stands for. Settings that come from no board, such as those of
    `harness measure`, have paths from the working directory. `~` is the user's home.

    Args:
        text: the path as keys and records hold it. A relative path is written from the folder that holds the board's folder, as
            `rings/images` for `images` on the board `rings`: `images` on another board is another path, and gives another key.
        boards: the folder that holds the board's folder; empty where the settings come from no board.
    """

    # No dataclass: pydantic would write one as a mapping of its fields.

    def __init__(self, text: str, boards: str = "") -> None:
        self.text, self.boards = text, boards

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BoardPath) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"BoardPath({self.text!r}, {self.boards!r})"

    @property
    def path(self) -> Path:
        """The path that the text stands for."""
        return Path(self.boards) / expanded(self.text)

    def __fspath__(self) -> str:
        return str(self.path)

    def __str__(self) -> str:
        return str(self.path)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read text or a path, and write text into JSON."""
        serialization = core_schema.plain_serializer_function_ser_schema(_write, info_arg=True)
        return core_schema.with_info_plain_validator_function(_read, serialization=serialization)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return the schema of a text."""
        return {"type": "string", "format": "path"}


Context = Mapping[str, str]
"""Where relative paths begin, as a context of pydantic's validation."""


def board_context(folder: Path) -> Context:
    """Return the context in which the settings of a board are read. folder: the board's folder, absolute."""
    return {"boards": str(folder.parent), "board": folder.name}


def reread_context(boards: str) -> Context:
    """Return the context in which settings are read again that were written out as JSON. boards: see `BoardPath`."""
    return {"boards": boards, "board": ""}


def boards_of(context: object) -> str:
    """Return the folder that holds the board's folder; empty for settings that come from no board."""
    return str(context.get("boards", "")) if isinstance(context, Mapping) else ""


def _write(value: BoardPath, info: SerializationInfo) -> object:
    return value.text if info.mode == "json" else value


def _read(value: object, info: ValidationInfo) -> BoardPath:
    if isinstance(value, BoardPath):
        return value
    if not isinstance(value, str | os.PathLike):
        raise ValueError("expected a path, as text")
    text = os.fspath(value)
    if not isinstance(text, str) or not text or "\0" in text:
        raise ValueError("expected a path, as text that is not empty")
    boards = boards_of(info.context)
    if not boards or os.path.isabs(text) or text.startswith("~"):
        return BoardPath(text)
    return BoardPath(os.path.normpath(os.path.join(dict(info.context or {}).get("board", ""), text)), boards)
