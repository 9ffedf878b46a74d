"""`harness show`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.arguments import KINDS, AsJson, component_names
from harness.cli.list_ import capabilities
from harness.cli.output import print_json, print_table, result
from harness.errors import UserError, unknown

if TYPE_CHECKING:
    from harness.plugins import Provided
    from harness.store.records import FloorRecord, Record


def show(
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="RECORD | [KIND] NAME", help="A record's path, or a component.", autocompletion=component_names
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Example: harness show method ddo

    A record by its path, or a component with its settings: types, defaults, ranges, meaning.
    """
    if len(what) == 1 and (what[0].endswith(".json") or Path(what[0]).is_file()):
        if not what[0].endswith(".json"):
            raise UserError(f"{what[0]}: not a record, which is a .json file")
        _show_record(Path(what[0]), as_json)
        return
    kind, one = find(what)
    settings = described(one.component.config.model_json_schema())
    if as_json:
        print_json({**_facts(kind, one), "settings": settings})
        return
    for key, value in _facts(kind, one).items():
        if value:
            result(f"{key + ':':<14}{value}")
    result("settings:" if settings else "settings:     none")
    print_table(settings)


def find(what: list[str]) -> tuple[str, Provided]:
    """The component that `[KIND] NAME` names. Raises: UserError when there is none, or one of several kinds."""
    from harness.plugins import registry

    found = registry()
    kinds = [kind for kind in KINDS if kind != "board"]
    if len(what) == 2:
        kind = what[0].removesuffix("s")
        if kind not in kinds:
            raise unknown("kind of component", what[0], kinds, where="show")
        return kind, found.provided(kind, what[1], where="show")
    if len(what) > 2:
        raise UserError("show: give a record's path, or a kind and a name, e.g. `harness show method ddo`")
    matches = [kind for kind in kinds if what[0] in found.names(kind)]
    if len(matches) > 1:
        raise UserError(
            f"show: {what[0]!r} is several things; write {' or '.join(f'`{kind} {what[0]}`' for kind in matches)}"
        )
    if not matches:
        raise unknown(
            "record or component", what[0], {name for kind in kinds for name in found.names(kind)}, where="show"
        )
    return matches[0], found.provided(matches[0], what[0], where="show")


def _facts(kind: str, one: Provided) -> dict[str, str]:
    component = one.component
    return {
        "name": component.name,
        "kind": kind,
        "summary": component.summary,
        "plugin": one.plugin,
        "version": one.version,
        "capabilities": capabilities(one),
        "sampler": getattr(component, "sampler", ""),
        "outputs": ", ".join(f"{name} {size}" for name, size in getattr(component, "outputs", {}).items()),
        "build": component.build,
    }


def described(
    schema: dict[str, Any], prefix: str = "", definitions: dict[str, Any] | None = None
) -> list[dict[str, str]]:
    """A row for each setting of a JSON schema; nested settings are named `optimizer.lr`."""
    definitions = schema.get("$defs", {}) if definitions is None else definitions
    rows: list[dict[str, str]] = []
    for name, field in schema.get("properties", {}).items():
        inner = _definition(field, definitions)
        if inner is not None and "properties" in inner:
            rows += described(_with_defaults(inner, field), f"{prefix}{name}.", definitions)
            continue
        rows.append(
            {
                "setting": f"{prefix}{name}",
                "type": _type(field),
                "default": _default(field),
                "range": _range(field),
                "meaning": field.get("description", ""),
            }
        )
    return rows


def _definition(field: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any] | None:
    for one in (field, *field.get("allOf", []), *field.get("anyOf", [])):
        if "$ref" in one:
            return definitions[one["$ref"].rpartition("/")[2]]
    return None


def _with_defaults(inner: dict[str, Any], field: dict[str, Any]) -> dict[str, Any]:
    """The nested schema, with the defaults that the outer field gives it."""
    given = field.get("default")
    if not isinstance(given, dict):
        return inner
    properties = {n: {**f, "default": given[n]} if n in given else f for n, f in inner["properties"].items()}
    return {**inner, "properties": properties}


def _default(field: dict[str, Any]) -> str:
    return "required" if "default" not in field else "none" if field["default"] is None else str(field["default"])


def _type(field: dict[str, Any]) -> str:
    if "enum" in field or "const" in field:
        return " | ".join(map(str, field.get("enum", [field.get("const")])))
    if "anyOf" in field:
        return " | ".join("none" if one.get("type") == "null" else _type(one) for one in field["anyOf"])
    if field.get("type") == "array" and "items" in field:
        return f"list of {_type(field['items'])}"
    return str(field.get("type", "any"))


_BOUNDS = {"exclusiveMinimum": "> ", "minimum": "≥ ", "exclusiveMaximum": "< ", "maximum": "≤ "}


def _range(field: dict[str, Any]) -> str:
    bounds = [
        f"{sign}{one[key]:g}" for one in (field, *field.get("anyOf", [])) for key, sign in _BOUNDS.items() if key in one
    ]
    return ", ".join(bounds)


def _show_record(path: Path, as_json: bool) -> None:
    record = read_any(path)
    content = record.model_dump(mode="json")
    if as_json:
        print_json(content)
        return
    for key, value in content.items():
        if isinstance(value, dict):
            result(f"{key}:")
            for inner, one in value.items():
                result(f"  {inner}: {one}")
        else:
            result(f"{key}: {value}")


def read_any(path: Path) -> Record | FloorRecord:
    """A cell's record, or a floor's by its name. Raises: UserError as `load_record`."""
    from harness.store.records import load_floor, load_record

    return load_floor(path) if path.name.startswith("floor__") else load_record(path)
