"""Which keys a schema has at a place in a file."""

from __future__ import annotations

from types import UnionType
from typing import Union, get_args, get_origin

from pydantic import BaseModel

from harness.board.reading.yaml_file import Location


def fields_at(schema: object, path: Location) -> list[str]:
    """Names of the keys that stand beside a wrong one: walks the schema along `path`."""
    for part in path:
        schema = _step(schema, part)
    found = _model(schema)
    return list(found.model_fields) if found else []


def _step(schema: object, part: str | int) -> object:
    model = _model(schema)
    if model is not None:
        field = model.model_fields.get(str(part))
        return None if field is None else field.annotation
    arguments = [argument for argument in get_args(schema) if argument is not type(None)]
    if get_origin(schema) in (Union, UnionType) or hasattr(schema, "__metadata__"):
        return next((found for argument in arguments if (found := _step(argument, part)) is not None), None)
    if get_origin(schema) is dict:
        return arguments[1]
    return arguments[0] if arguments else None


def _model(schema: object) -> type[BaseModel] | None:
    """The settings class in an annotation such as `Annotated[X, …] | None`."""
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        return schema
    if get_origin(schema) in (Union, UnionType) or hasattr(schema, "__metadata__"):
        return next((found for argument in get_args(schema) if (found := _model(argument))), None)
    return None
