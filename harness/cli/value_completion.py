"""How the values of options complete in the shell: filters of a board, settings of components, names with commas.

Nothing here imports torch: a press of Tab must answer at once. A board or plugin that is broken completes nothing.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from harness.board.filters import KEYS
from harness.components import KINDS
from harness.errors import UserError

if TYPE_CHECKING:
    from harness.board.board import Board

LINE = "_TYPER_COMPLETE_ARGS"
"""The variable in which the shell gives the line up to the cursor."""
Complete = Callable[[str], Iterator[str]]


def words_of_line() -> list[str]:
    """Return the words of the line that is being completed; of a quote that is open still, what stands before it."""
    line = os.environ.get(LINE, "")
    try:
        return shlex.split(line)
    except ValueError:
        return line.split()


def board_of_line() -> Board | None:
    """Return the first board that the line names; None where it names none, or the board cannot be read."""
    from harness.board.reading.load import load_board

    for word in words_of_line()[1:]:
        path = Path(word)
        if (path / "board.yaml").is_file() or (path.name == "board.yaml" and path.is_file()):
            try:
                return load_board(path)
            except UserError:
                return None
    return None


def filters(incomplete: str) -> Iterator[str]:
    """Give the filters that go on like the incomplete one: `met` → `method=`, `method=ddo,s` → `method=ddo,sft-pg`."""
    done, comma, part = incomplete.rpartition(",")
    before = done + comma
    key, equals, value = part.partition("=")
    if equals:
        yield from _beginning(before + key + "=", _values(key.removesuffix("!")), value)
        return
    last_key = next((term.partition("=")[0] for term in reversed(done.split(",")) if "=" in term), "")
    yield from _beginning(before, _values(last_key.removesuffix("!")) if last_key else (), part)
    yield from _beginning(before, (f"{key}=" for key in KEYS), part)


def _values(key: str) -> list[str]:
    """Return the values that a key of the filter language has on the board of the line; without a board, installed names."""
    if key not in KEYS:
        return []
    if (board := board_of_line()) is not None:
        return sorted({cell.facts[key] for cell in board.cells})
    return _component_names([key]) if key in KINDS else []


def _beginning(before: str, values: Iterable[str], begin: str) -> Iterator[str]:
    """Give `before` and a value behind it, for each value that begins like `begin`."""
    yield from (before + value for value in values if value.startswith(begin))


def methods_of_board(incomplete: str) -> Iterator[str]:
    """Give the methods of the board that the line names; where it names none, the boards."""
    from harness.cli.arguments import board_names

    board = board_of_line()
    if board is None:
        yield from board_names(incomplete)
    else:
        methods = {cell.facts["method"] for cell in board.cells}
        yield from _beginning("", sorted(methods | {grid.name for grid in board.grids}), incomplete)


def searches_of_board(incomplete: str) -> Iterator[str]:
    """Give the searches of the board that the line names."""
    if (board := board_of_line()) is not None:
        yield from _beginning("", board.config.search, incomplete)


def searched_bases_of_board(incomplete: str) -> Iterator[str]:
    """Give the bases of the searches of the board that the line names."""
    if (board := board_of_line()) is not None:
        yield from _beginning("", sorted({base for search in board.config.search.values() for base in search.bases}), incomplete)


def columns_of_board(incomplete: str) -> Iterator[str]:
    """Give the columns of the board that the line names."""
    if (board := board_of_line()) is not None:
        yield from _beginning("", (column.name for column in board.columns), incomplete)


def names_of(*kinds: str, with_commas: bool = False) -> Complete:
    """Return what gives the names of the installed components of some kinds.

    Args:
        with_commas: whether several names may follow each other with commas between them.
    """

    def complete(incomplete: str) -> Iterator[str]:
        done, comma, part = incomplete.rpartition(",") if with_commas else ("", "", incomplete)
        given = done.split(",")
        yield from _beginning(done + comma, (name for name in _component_names(kinds) if name not in given), part)

    return complete


def presets(incomplete: str) -> Iterator[str]:
    """Give the names of the presets."""
    from harness.plugins import registry

    yield from _beginning("", registry().presets, incomplete)


def settings_of(*kinds: str) -> Complete:
    """Return what gives `NAME.KEY=VALUE` for the settings of the installed components of some kinds."""

    def complete(incomplete: str) -> Iterator[str]:
        head, equals, _ = incomplete.partition("=")
        name, dot, _ = head.partition(".")
        if not dot:
            yield from _beginning("", (f"{name}." for name in _component_names(kinds)), incomplete)
            return
        fields = {f"{name}.{key}": values for key, values in _fields(kinds, name).items()}
        if equals:
            yield from _beginning("", (f"{head}={value}" for value in fields.get(head, ())), incomplete)
        else:
            yield from _beginning("", (f"{key}=" for key in fields), incomplete)

    return complete


def model_settings(incomplete: str) -> Iterator[str]:
    """Give `KEY=VALUE` for the settings of the model that `--model` names on the line."""
    words = words_of_line()
    named = [after for word, after in pairwise(words) if word == "--model"]
    named += [word.removeprefix("--model=") for word in words if word.startswith("--model=")]
    for key, values in (_fields(["model"], named[0]) if named else {}).items():
        candidates = (f"{key}={value}" for value in values) if "=" in incomplete else [f"{key}="]
        yield from _beginning("", candidates, incomplete)


def _component_names(kinds: Iterable[str]) -> list[str]:
    from harness.plugins import registry

    return sorted({name for kind in kinds for name in registry().names(kind)})


def _fields(kinds: Iterable[str], name: str) -> Mapping[str, list[str]]:
    """Return the settings of the components of this name, with the values that are words: choices, true and false."""
    from harness.cli.setting_rows import setting_rows
    from harness.plugins import registry

    fields: dict[str, list[str]] = {}
    for kind in kinds:
        if (provided := registry().find(kind, name)) is not None:
            for row in setting_rows(provided.component.config):
                fields[row["setting"]] = _words(row["type"])
    return fields


def _words(type_text: str) -> list[str]:
    """Return the values of a type as `harness show` writes it, where these are words: `linear | cosine`, `boolean`."""
    if type_text == "boolean":
        return ["true", "false"]
    words = type_text.split(" | ")
    return words if len(words) > 1 and not {"number", "integer", "string", "none"} & set(words) else []
