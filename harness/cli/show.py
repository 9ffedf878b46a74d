"""`harness show`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.arguments import KINDS, AsJson, component_names
from harness.cli.list_ import capabilities
from harness.cli.output import print_json, print_table, result
from harness.errors import UserError, nearest, unknown

if TYPE_CHECKING:
    from harness.plugins import Provided, Registry
    from harness.presets import Preset
    from harness.store.records import FloorRecord, Record

COMPONENTS = [kind for kind in KINDS if kind not in ("board", "preset")]


def show(
    what: Annotated[
        list[str],
        typer.Argument(metavar="RECORD | [KIND] NAME", help="A record's path, or a component.", autocompletion=component_names),
    ],
    as_json: AsJson = False,
) -> None:
    """Example: harness show method ddo

    A record by its path, or a component with its settings: types, defaults, ranges, meaning. Or a preset: its files.
    """
    if len(what) == 1 and (what[0].endswith(".json") or Path(what[0]).is_file()):
        if not what[0].endswith(".json"):
            raise UserError(f"{what[0]}: not a record, which is a .json file")
        _show_record(Path(what[0]), as_json)
        return
    if (preset := find_preset(what)) is not None:
        _show_preset(preset, as_json)
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


def find_preset(what: list[str]) -> Preset | None:
    """The preset that `[preset|model] NAME` names; None when it names something else. Raises: UserError after `preset`."""
    from harness.plugins import registry

    found = registry()
    if len(what) == 2 and what[0].removesuffix("s") == "preset":
        return found.preset(what[1], where="show")
    is_component = len(what) == 1 and any(what[0] in found.names(kind) for kind in COMPONENTS)
    if (len(what) == 1 and not is_component) or (len(what) == 2 and what[0].removesuffix("s") == "model"):
        return None if what[-1] in found.names("model") else found.presets.get(what[-1])
    return None


def _show_preset(preset: Preset, as_json: bool) -> None:
    files = [
        {"file": file.name, "part": file.part or "the network", "address": file.address, "sha256": file.sha256 or "not pinned"}
        for file in preset.files
    ]
    settings = preset.config.model_dump(mode="json")
    if as_json:
        facts = {"name": preset.name, "kind": "preset", "model": preset.model, "parameters": preset.parameters}
        print_json({**facts, "shape": preset.spec.shape, "classes": preset.spec.classes, "files": files, "settings": settings})
        return
    result(f"name:         {preset.name}")
    result(f"kind:         preset of the model {preset.model}")
    result(f"data:         {'×'.join(map(str, preset.spec.shape))}, {preset.spec.classes or 'no'} classes")
    result(f"parameters:   {preset.parameters:,}")
    result("files:" if files else "files:        none published")
    print_table(files)
    result("settings:")
    print_table([{"setting": name, "value": str(value)} for name, value in settings.items()])


def find(what: list[str]) -> tuple[str, Provided]:
    """The component that `[KIND] NAME` names. Raises: UserError when there is none, or one of several kinds."""
    from harness.plugins import registry

    found = registry()
    kinds = COMPONENTS
    if len(what) == 2:
        kind = what[0].removesuffix("s")
        if kind not in kinds:
            raise unknown("kind of component", what[0], [*kinds, "preset"], where="show")
        if kind == "model" and what[1] not in found.names(kind):
            raise _no_model(what[1], found)
        return kind, found.provided(kind, what[1], where="show")
    if len(what) > 2:
        raise UserError("show: give a record's path, or a kind and a name, e.g. `harness show method ddo`")
    matches = [kind for kind in kinds if what[0] in found.names(kind)]
    if len(matches) > 1:
        raise UserError(f"show: {what[0]!r} is several things; write {' or '.join(f'`{kind} {what[0]}`' for kind in matches)}")
    if not matches:
        raise unknown(
            "record, component or preset",
            what[0],
            {*found.presets, *(name for kind in kinds for name in found.names(kind))},
            where="show",
        )
    return matches[0], found.provided(matches[0], what[0], where="show")


def _no_model(name: str, found: Registry) -> UserError:
    """Presets are named as well, since `show model` shows them; and broken plugins, which may be what is missing."""
    models, presets = found.names("model"), found.presets
    broken = "".join(f"; plugin {one.plugin!r} is broken: {one.reason}" for one in found.broken)
    return UserError(
        f"show: no model or preset is called {name!r}; {nearest(name, [*models, *presets])}models: {', '.join(models)}; "
        f"{len(presets)} presets: see `harness list presets`{broken}"
    )


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


def described(schema: dict[str, Any], prefix: str = "", definitions: dict[str, Any] | None = None) -> list[dict[str, str]]:
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
    bounds = [f"{sign}{one[key]:g}" for one in (field, *field.get("anyOf", [])) for key, sign in _BOUNDS.items() if key in one]
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
