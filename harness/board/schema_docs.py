"""`python -m harness.board.schema_docs`: writes docs/boards.md from the descriptions of the board's fields."""

from __future__ import annotations

import sys
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from harness.board.schema import BoardConfig, ReferenceConfig

INTRODUCTION = """\
# Boards

A board is a folder with a `board.yaml`. `harness validate FOLDER` checks it whole, with file and line of each fault,
before anything runs; an unknown key is a fault. This page is made from the schema by
`python -m harness.board.schema_docs`.

A **component** is written by name, or with its settings beside the name: `ddo`, or `{name: ddo, beta: 1.0}`.
`harness list` names what is installed, `harness show ddo` its settings.

A **filter** is the same here and in `harness run --only`: `method=ddo,sft-*` keeps what is one of these, `base!=edm`
what is not; terms are joined by commas, and all must agree. Keys: base, method, seed, model. Values may hold `*` and
`?`.

**Names** of bases, methods and metrics are lower case letters and digits, joined by single `-`, `_` or `.`.
"""


def page() -> str:
    """The text of docs/boards.md."""
    places: dict[type[BaseModel], list[str]] = {}
    _find(BoardConfig, "board.yaml", places)
    return INTRODUCTION + "\n" + "\n".join(_section(model, found) for model, found in places.items())


def _find(model: type[BaseModel], place: str, places: dict[type[BaseModel], list[str]]) -> None:
    """Where each settings class stands in a board; outer ones come first."""
    places.setdefault(model, []).append(place)
    prefix = "" if place == "board.yaml" else f"{place}."
    for name, field in model.model_fields.items():
        for inner in _models(field.annotation):
            named = ".NAME" if get_origin(field.annotation) is dict else ""
            _find(inner, f"{prefix}{name}{named}", places)


def _section(model: type[BaseModel], places: list[str]) -> str:
    """A heading and a table of the model's keys."""
    heading = ", ".join(f"`{place}`" for place in places)
    summary = (model.__doc__ or "").strip().splitlines()[0]
    rows = [_row(name, field) for name, field in model.model_fields.items()]
    return "\n".join([f"## {heading}", "", summary, "", "| key | type | default | meaning |", "|---|---|---|---|", *rows, ""])


def _row(name: str, field: FieldInfo) -> str:
    cells = (f"`{name}`", type_name(field.annotation) + _bounds(field), _default(field), field.description or "")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _models(annotation: object) -> list[type[BaseModel]]:
    """Settings classes in an annotation, without references to components, which the introduction explains."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [] if annotation is ReferenceConfig else [annotation]
    return [model for argument in get_args(annotation) for model in _models(argument)]


def type_name(annotation: object) -> str:
    """An annotation in the words of a board."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return type_name(arguments[0])
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin in (Union, UnionType):
        return " or ".join(type_name(argument) for argument in arguments if argument is not NoneType)
    if origin in (list, tuple):
        return f"list of {type_name(arguments[0])}"
    if origin is dict:
        return "mapping" if arguments[1] is object else f"name → {type_name(arguments[1])}"
    if annotation is ReferenceConfig:
        return "component"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "mapping, below"
    return {int: "whole number", float: "number", str: "text", bool: "true or false"}[annotation]  # type: ignore[index]


_SIGNS = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}


def _bounds(field: FieldInfo) -> str:
    bounds = [
        f"{sign} {getattr(rule, name):g}" for rule in field.metadata for name, sign in _SIGNS.items() if hasattr(rule, name)
    ]
    return f", {' and '.join(bounds)}" if bounds else ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if isinstance(value, BaseModel):
        return "as below"
    if isinstance(value, tuple):
        value = list(value)
    return "–" if value in (None, "", {}) else f"`{value}`"


def main() -> None:
    """Write docs/boards.md under the folder given, by default the working directory."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path()
    (folder / "docs" / "boards.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
