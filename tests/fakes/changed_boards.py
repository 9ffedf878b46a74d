"""Boards with one fault: a valid board.yaml that is changed in one place, drawn from dice."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

import yaml

Path_ = tuple[str | int, ...]
WRONG_VALUES: tuple[object, ...] = (
    None, True, False, 0, -1, 1, 3, 2.5, -0.5, 1e300, 2**70, float("inf"), float("nan"), "", " ", "x", "ddo", "1e-4", "a/b", "..",
    "é", "None", "x" * 3000, "/dev/zero", [], [1], ["x"], [None], [[]], [{"name": "mle"}], {}, {"name": "x"}, {"name": None},
    {"x": 1}, {"name": {"name": "x"}}, {1: 2}, {None: None},
)  # fmt: skip
"""Values of every type, in and out of the ranges of settings."""
KINDS = ("removed", "misspelt", "wrong value", "unknown name", "wrapped", "unwrapped", "moved", "added", "repeated")


def places(value: object, path: Path_ = ()) -> Iterator[Path_]:
    """Yield the path of every value below a value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from places(item, (*path, key))


def changed_board(dice: random.Random, text: str) -> tuple[str, str]:
    """Return the kind of a change, and the text of the board after it."""
    board = copy.deepcopy(yaml.safe_load(text))  # aliases become copies
    board = yaml.safe_load(yaml.dump(board, Dumper=_WithoutAliases))
    kind = dice.choice(KINDS)
    path = dice.choice(list(places(board)))
    holder = _at(board, path[:-1])
    key = path[-1]
    if kind == "removed":
        del holder[key]
    elif kind == "misspelt" and isinstance(key, str):
        _rename(holder, key, _misspelt(dice, key))
    elif kind == "unknown name" and isinstance(holder[key], str):
        holder[key] = _misspelt(dice, holder[key])
    elif kind == "wrapped":
        holder[key] = [holder[key]] if dice.random() < 0.5 else {dice.choice(("name", "x", "settings")): holder[key]}
    elif kind == "unwrapped" and isinstance(holder[key], dict | list) and holder[key]:
        content = holder[key]
        holder[key] = next(iter(content.values() if isinstance(content, dict) else content))
    elif kind == "moved" and isinstance(key, str) and path[:-1]:
        board.setdefault(key, holder.pop(key))
    elif kind == "added":
        target = holder[key] if isinstance(holder[key], dict) else board
        target[dice.choice(("x", "name", "samples", "training", "seeds", "label", "only", "weights", "data"))] = dice.choice(
            WRONG_VALUES
        )
    elif kind == "repeated":
        return kind, yaml.dump(board, sort_keys=False) + yaml.dump(
            {dice.choice(list(board)): dice.choice(WRONG_VALUES)}, allow_unicode=True
        )
    else:
        kind = "wrong value"
        holder[key] = dice.choice(WRONG_VALUES)
    return kind, yaml.dump(board, sort_keys=False, allow_unicode=True, Dumper=_WithoutAliases)


class _WithoutAliases(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        return True


def _at(value: Any, path: Path_) -> Any:
    for part in path:
        value = value[part]
    return value


def _rename(holder: dict[str | int, object], old: str, new: str) -> None:
    items = [(new if key == old else key, value) for key, value in holder.items()]
    holder.clear()
    holder.update(items)


def _misspelt(dice: random.Random, text: str) -> str:
    place = dice.randrange(len(text) + 1)
    return dice.choice(
        (text[:place] + "q" + text[place:], text[:place] + text[place + 1 :] + "q", text.upper() + "Q", f"{text} ")
    )
