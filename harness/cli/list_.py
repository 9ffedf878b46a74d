"""`harness list`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.arguments import LISTED_KINDS, AsJson, kind_names
from harness.cli.component_facts import capabilities
from harness.cli.output import print_json, print_table, result
from harness.errors import UserError, faults_of, unknown
from harness.plugin_code import DISABLED

if TYPE_CHECKING:
    from harness.plugins import Registry

Kind = Annotated[
    str | None,
    typer.Argument(metavar="[KIND]", help=f"One of: {'s, '.join(LISTED_KINDS)}s.", autocompletion=kind_names),
]


def list_components(kind: Kind = None, as_json: AsJson = False) -> None:
    """Example: harness list methods

    List what is installed: components by kind, boards under ./leaderboards, and plugins that are broken, with the reason.
    """
    from harness.plugins import registry

    kinds = list(LISTED_KINDS) if kind is None else [_singular(kind)]
    installed = registry()
    tables = {f"{name}s": _rows(installed, name) for name in kinds}
    broken = [{"plugin": plugin.plugin, "target": plugin.target, "reason": plugin.reason} for plugin in installed.broken]
    if as_json:
        print_json({**tables, "broken": broken, "disabled": installed.disabled})
        return
    for title, rows in tables.items():
        result(f"{title}:" if rows else f"{title}: none")
        print_table(rows)
        result("")
    if broken:
        result("broken plugins:")
        print_table(broken)
    if installed.disabled:
        result(f"left out by {DISABLED}: {', '.join(installed.disabled)}")


def _singular(text: str) -> str:
    """The name of a kind from its singular or plural. Raises: UserError with the nearest kind."""
    if text.removesuffix("s") not in LISTED_KINDS:
        raise unknown("kind", text, [f"{kind}s" for kind in LISTED_KINDS], where="list")
    return text.removesuffix("s")


def _rows(installed: Registry, kind: str) -> list[dict[str, str]]:
    if kind == "board":
        return _board_rows()
    if kind == "listener":
        return _listener_rows(installed)
    if kind == "reference":
        return _reference_rows(installed)
    return _preset_rows(installed) if kind == "preset" else _component_rows(installed, kind)


def _component_rows(installed: Registry, kind: str) -> list[dict[str, str]]:
    return [
        {
            "name": name,
            "plugin": provided.plugin,
            "version": provided.version,
            "capabilities": capabilities(provided),
            "summary": provided.component.summary,
        }
        for name, provided in installed.all(kind).items()
    ]


def _listener_rows(installed: Registry) -> list[dict[str, str]]:
    """Plugins that listen to runs, and to which events. A listener has no name of its own."""
    prefix = "harness_"
    return [
        {"plugin": plugin, "hears": ", ".join(hook.removeprefix(prefix) for hook in hooks)}
        for plugin, hooks in installed.listeners().items()
    ]


def _preset_rows(installed: Registry) -> list[dict[str, str]]:
    return [
        {
            "name": name,
            "model": preset.model,
            "data": "×".join(map(str, preset.spec.shape)),
            "classes": str(preset.spec.classes),
            "parameters": f"{preset.parameters:,}",
            "files": ", ".join(file.name for file in preset.files) or "none published",
        }
        for name, preset in installed.presets.items()
    ]


def _reference_rows(installed: Registry) -> list[dict[str, str]]:
    return [
        {
            "name": name,
            "of": reference.of,
            "images": f"{reference.images:,}",
            "extractors": ", ".join(reference.extractors),
            "file": reference.file.name,
            "sha256": reference.file.sha256 or "not pinned",
            "address": reference.file.address,
        }
        for name, reference in installed.references.items()
    ]


def _board_rows() -> list[dict[str, str]]:
    """Boards under ./leaderboards. In the place of a title stands why a board cannot be read."""
    return [
        {"name": file.parent.name, "path": str(file.parent), "title": _title(file)}
        for file in sorted(Path("leaderboards").glob("*/board.yaml"))
    ]


def _title(board: Path) -> str:
    from harness.board.reading.yaml_file import read_yaml

    try:
        content = read_yaml(board).value
    except UserError as error:
        return f"broken: {faults_of(error)[0]}"
    return str(content.get("title", "")) if isinstance(content, dict) else ""
