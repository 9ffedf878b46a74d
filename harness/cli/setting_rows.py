"""The settings of a component as rows of a table: type, default, range, meaning."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaValue

_BOUNDS = {"exclusiveMinimum": "> ", "minimum": "≥ ", "exclusiveMaximum": "< ", "maximum": "≤ "}


def setting_rows(config: type[BaseModel]) -> list[dict[str, str]]:
    """Return a row for each setting of a settings class; settings inside of others are named as in `optimizer.lr`."""
    schema = config.model_json_schema()
    return _rows(schema, "", schema.get("$defs", {}))


def _rows(schema: JsonSchemaValue, prefix: str, definitions: Mapping[str, JsonSchemaValue]) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = []
    for name, field in schema.get("properties", {}).items():
        inner = _referenced(field, definitions)
        if inner is not None and "properties" in inner:
            rows += _rows(_with_defaults(inner, field), f"{prefix}{name}.", definitions)
        else:
            rows.append(_row(f"{prefix}{name}", field))
    return rows


def _row(name: str, field: JsonSchemaValue) -> dict[str, str]:
    return {
        "setting": name,
        "type": _type(field),
        "default": _default(field),
        "range": _range(field),
        "meaning": field.get("description", ""),
    }


def _referenced(field: JsonSchemaValue, definitions: Mapping[str, JsonSchemaValue]) -> JsonSchemaValue | None:
    """The schema of another class that the field refers to; None for a plain field."""
    for part in (field, *field.get("allOf", []), *field.get("anyOf", [])):
        if "$ref" in part:
            return definitions[part["$ref"].rpartition("/")[2]]
    return None


def _with_defaults(inner: JsonSchemaValue, field: JsonSchemaValue) -> JsonSchemaValue:
    """The schema of the inner class, with the defaults that the outer field gives to its settings."""
    defaults = field.get("default")
    if not isinstance(defaults, dict):
        return inner
    properties = {
        name: {**schema, "default": defaults[name]} if name in defaults else schema
        for name, schema in inner["properties"].items()
    }
    return {**inner, "properties": properties}


def _default(field: JsonSchemaValue) -> str:
    return "required" if "default" not in field else "none" if field["default"] is None else str(field["default"])


def _type(field: JsonSchemaValue) -> str:
    if "enum" in field or "const" in field:
        return " | ".join(map(str, field.get("enum", [field.get("const")])))
    if "anyOf" in field:
        return " | ".join("none" if choice.get("type") == "null" else _type(choice) for choice in field["anyOf"])
    if field.get("type") == "array" and "items" in field:
        return f"list of {_type(field['items'])}"
    return str(field.get("type", "any"))


def _range(field: JsonSchemaValue) -> str:
    parts = (field, *field.get("anyOf", []))
    return ", ".join(f"{sign}{part[key]:g}" for part in parts for key, sign in _BOUNDS.items() if key in part)
