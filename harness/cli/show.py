"""`harness show`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.arguments import AsJson, component_names
from harness.cli.output import print_json, print_table, result
from harness.errors import UserError

if TYPE_CHECKING:
    from harness.plugins import Provided
    from harness.presets import Preset
    from harness.references import Reference
    from harness.store.records import FloorRecord, Record

Words = Annotated[
    list[str],
    typer.Argument(
        metavar="RECORD | [KIND] NAME",
        help="A record's path, a component, a preset or a reference.",
        autocompletion=component_names,
    ),
]


def show(what: Words, as_json: AsJson = False) -> None:
    """Example: harness show method ddo

    Show a record by its path, or a component with its settings: types, defaults, ranges, meaning. Or a preset's files, or a
    reference's.
    """
    from harness.cli.lookup import find_component, find_preset, find_reference

    if len(what) == 1 and (what[0].endswith(".json") or Path(what[0]).is_file()):
        _show_record(Path(what[0]), as_json)
    elif (preset := find_preset(what)) is not None:
        _show_preset(preset, as_json)
    elif (reference := find_reference(what)) is not None:
        _show_reference(reference, as_json)
    else:
        _show_component(find_component(what), as_json)


def _show_component(provided: Provided, as_json: bool) -> None:
    from harness.cli.component_facts import component_facts
    from harness.cli.setting_rows import setting_rows

    facts, settings = component_facts(provided), setting_rows(provided.component.config)
    if as_json:
        print_json({**facts, "settings": settings})
        return
    for key, value in facts.items():
        if value:
            _print_fact(key, value)
    result("settings:" if settings else "settings:     none")
    print_table(settings)


def _show_preset(preset: Preset, as_json: bool) -> None:
    files = [
        {"file": file.name, "part": file.part or "the network", "address": file.address, "sha256": file.sha256 or "not pinned"}
        for file in preset.files
    ]
    settings = preset.config.model_dump(mode="json")
    if as_json:
        facts = {"name": preset.name, "kind": "preset", "model": preset.model, "parameters": preset.parameters}
        print_json(
            {
                **facts,
                "shape": preset.spec.shape,
                "classes": preset.spec.classes,
                "fine_tuned_by": preset.fine_tuned_by,
                "note": preset.note,
                "files": files,
                "settings": settings,
            }
        )
        return
    _print_fact("name", preset.name)
    _print_fact("kind", f"preset of the model {preset.model}")
    _print_fact("data", f"{'×'.join(map(str, preset.spec.shape))}, {preset.spec.classes or 'no'} classes")
    _print_fact("parameters", f"{preset.parameters:,}")
    if preset.fine_tuned_by:
        _print_fact("fine-tuned by", preset.fine_tuned_by)
    if preset.note:
        _print_fact("note", preset.note)
    result("files:" if files else "files:        none published")
    print_table(files)
    result("settings:")
    print_table([{"setting": name, "value": str(value)} for name, value in settings.items()])


def _show_reference(reference: Reference, as_json: bool) -> None:
    from harness.weights import cache

    path = cache.path(reference.file)
    facts = {
        "name": reference.name,
        "kind": "reference",
        "of": reference.of,
        "images": reference.images,
        "shape": "×".join(map(str, reference.shape)),
        "extractors": ", ".join(reference.extractors),
        "statistics": ", ".join(sorted(reference.needs)),
        "file": reference.file.name,
        "address": reference.file.address,
        "sha256": reference.file.sha256 or "not pinned",
        "path": f"{path}{'' if path.exists() else ' (absent)'}",
    }
    if as_json:
        print_json(facts)
        return
    for title, value in facts.items():
        _print_fact(title, f"{value:,}" if isinstance(value, int) else str(value))


def _show_record(path: Path, as_json: bool) -> None:
    content = _read_record(path).model_dump(mode="json")
    if as_json:
        print_json(content)
        return
    for key, value in content.items():
        if isinstance(value, dict):
            result(f"{key}:")
            for inner_key, inner_value in value.items():
                result(f"  {inner_key}: {inner_value}")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            result(f"{key}:")
            for entry in value:
                result(f"  {', '.join(f'{name} {inner}' for name, inner in entry.items() if inner != '')}")
        else:
            result(f"{key}: {value}")


def _read_record(path: Path) -> Record | FloorRecord:
    """Read a cell's record, or a floor's, which its name tells. Raises: UserError when the file is none of the two."""
    from harness.store.records import load_floor, load_record

    if path.suffix != ".json":
        raise UserError(f"{path}: not a record, which is a .json file")
    return load_floor(path) if path.name.startswith("floor__") else load_record(path)


def _print_fact(title: str, text: str) -> None:
    result(f"{title + ':':<14}{text}")
