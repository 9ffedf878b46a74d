"""`harness list`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.arguments import KINDS, AsJson, kind_names
from harness.cli.output import print_json, print_table, result

if TYPE_CHECKING:
    from harness.plugins import Provided, Registry


def list_components(
    kind: Annotated[
        str | None,
        typer.Argument(metavar="[KIND]", help=f"One of: {'s, '.join(KINDS)}s.", autocompletion=kind_names),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Example: harness list methods

    What is installed: components by kind, boards under ./leaderboards, and plugins that are broken, with the reason.
    """
    from harness.plugins import registry

    kinds = list(KINDS) if kind is None else [_kind(kind)]
    found = registry()
    special = {"board": boards, "preset": lambda: presets(found)}
    listed = {f"{one}s": special[one]() if one in special else components(found, one) for one in kinds}
    broken = [{"plugin": one.plugin, "target": one.target, "reason": one.reason} for one in found.broken]
    if as_json:
        print_json({**listed, "broken": broken})
        return
    for title, rows in listed.items():
        result(f"{title}:" if rows else f"{title}: none")
        print_table(rows)
        result("")
    if broken:
        result("broken plugins:")
        print_table(broken)


def _kind(text: str) -> str:
    from harness.errors import unknown

    if text.removesuffix("s") not in KINDS:
        raise unknown("kind", text, [f"{kind}s" for kind in KINDS], where="list")
    return text.removesuffix("s")


def components(found: Registry, kind: str) -> list[dict[str, str]]:
    """A row for each component of a kind."""
    return [
        {
            "name": name,
            "plugin": one.plugin,
            "version": one.version,
            "capabilities": capabilities(one),
            "summary": one.component.summary,
        }
        for name, one in found.all(kind).items()
    ]


def presets(found: Registry) -> list[dict[str, str]]:
    """A row for each preset."""
    return [
        {"name": name, "model": one.model, "data": "×".join(map(str, one.spec.shape)), "classes": str(one.spec.classes),
         "parameters": f"{one.parameters:,}", "files": ", ".join(file.name for file in one.files) or "none published"}
        for name, one in found.presets.items()
    ]  # fmt: skip


def capabilities(one: Provided) -> str:
    """What a model provides, or what a method or sampler needs."""
    named = [(word, sorted(getattr(one.component, word, ()))) for word in ("provides", "needs")]
    return "; ".join(f"{word} {', '.join(names)}" for word, names in named if names)


def boards() -> list[dict[str, str]]:
    """Boards under ./leaderboards, by their titles; one that cannot be read says so."""
    from harness.board.reading.yaml_file import read_yaml
    from harness.errors import UserError

    rows = []
    for file in sorted(Path("leaderboards").glob("*/board.yaml")):
        try:
            value = read_yaml(file).value
            title = str(value.get("title", "")) if isinstance(value, dict) else ""
        except UserError as error:
            title = f"broken: {str(error).splitlines()[0]}"
        rows.append({"name": file.parent.name, "path": str(file.parent), "title": title})
    return rows
