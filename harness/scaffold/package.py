"""The files of a new plugin, rendered from the templates beside this file, and written all or none."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from harness.errors import UserError
from harness.scaffold.names import Names
from harness.store.files import StorageError, appearing_folder

USAGE: Mapping[str, str] = {
    "method": "A board names it under `methods:`: `{name}: {{method: {{name: {name}}}}}`.",
    "metric": "A board names it under `metrics:`: `{name}: {{}}`.",
    "model": "A board names it as the model of a base: `model: {{name: {name}}}`.",
    "sampler": "A board names it as the sampler of a base: `sampler: {{name: {name}}}`.",
    "dataset": "A board names it: `dataset: {name}`.",
    "extractor": "A board names it in a column, `fid[{name}]`; so does `harness measure … --extractor {name}`.",
    "executor": "The command line names it: `harness run BOARD --executor {name}`.",
    "tracker": "The command line names it: `harness run BOARD --track {name}`.",
    "listener": "It hears every `harness run` where `${variable}` names the file to write to.",
}
"""How each kind is used, for the README of the package."""
MEANINGS: Mapping[str, str] = {
    "method": "what one step does",
    "metric": "the arithmetic",
    "model": "the network",
    "sampler": "how samples are drawn",
    "dataset": "the data",
    "extractor": "the network that turns images into features",
    "executor": "where jobs run",
    "tracker": "where a run is written to",
}


def files_of(names: Names) -> dict[str, str]:
    """Return the text of every file of the package, by its path in the package's folder.

    Raises: UserError where the class would have a name that its own file imports.
    """
    environment = Environment(
        loader=PackageLoader("harness.scaffold"), undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False
    )
    values = _values(names)
    rendered = {
        path: environment.get_template(template).render(values).lstrip("\n") for path, template in _templates(names).items()
    }
    for path, text in rendered.items():
        if path.endswith(".py"):
            _check_no_name_is_taken_twice(names, text)
    return rendered


def write(names: Names, into: Path) -> Path:
    """Write the package into a new folder of its own.

    Args:
        into: the folder in which the package's folder is made; it is made too where it is absent.
    Returns: the package's folder. Raises: UserError where something stands there already, or the disk refuses.
    """
    folder = into / names.distribution
    if folder.exists() or folder.is_symlink():
        raise UserError(f"new: {folder} exists already, and nothing is overwritten; take another name, or --into FOLDER")
    files = files_of(names)
    try:
        into.mkdir(parents=True, exist_ok=True)
        with appearing_folder(folder) as scratch:
            for path, text in files.items():
                (scratch / path).parent.mkdir(parents=True, exist_ok=True)
                (scratch / path).write_text(text, encoding="utf-8")
    except (OSError, StorageError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        reason = getattr(cause, "strerror", None) or cause or error
        raise UserError(f"new: {into} cannot be written to: {reason}; choose another folder with --into FOLDER") from error
    return folder


def _templates(names: Names) -> dict[str, str]:
    """Return the template of each file of the package."""
    templates = {
        "pyproject.toml": "common/pyproject.toml.j2",
        "README.md": "common/README.md.j2",
        ".gitignore": "common/gitignore.j2",
        ".github/workflows/tests.yml": "common/tests.yml.j2",
        f"{names.module}/__init__.py": f"{names.kind}/__init__.py.j2",
        f"tests/test_{names.plugin}.py": f"{names.kind}/test.py.j2",
    }
    if names.kind in MEANINGS:
        templates[f"{names.module}/{names.kind}.py"] = f"{names.kind}/component.py.j2"
    return templates


def _values(names: Names) -> dict[str, object]:
    """Return what the templates may name."""
    kind = names.kind
    look = "harness list listeners" if kind == "listener" else f"harness show {kind} {names.name}"
    own = {f"{names.module}/{kind}.py": MEANINGS[kind]} if kind in MEANINGS else {}
    top = "the hooks" if kind == "listener" else "the name, the settings and the summary; it imports no torch"
    fields = ("kind", "name", "distribution", "plugin", "module", "cls", "variable", "target")
    return {
        **{field: getattr(names, field) for field in fields},
        "look": look,
        "first_width": max(len(look), len(f"harness check {names.target}")) + 2,
        "usage": USAGE[kind].format(name=names.name, variable=names.variable),
        "files": list({f"{names.module}/__init__.py": top, **own, f"tests/test_{names.plugin}.py": "its tests"}.items()),
    }


def _check_no_name_is_taken_twice(names: Names, text: str) -> None:
    """Raises: UserError where a file defines a class under a name that it imports: `finetune` makes a `FinetuneMethod`."""
    tree = ast.parse(text)
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }
    defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    if taken := sorted(imported & defined):
        raise UserError(f"new: {names.name!r} gives a class {taken[0]}, and the contract has a class of that name; take another")
