"""Look targets up in the source of their module, without importing it: a dry run stays without torch. This imports no torch."""

from __future__ import annotations

import ast
from importlib.util import find_spec
from pathlib import Path

from harness.errors import nearest


def fault_in_source(path: str) -> str | None:
    """Return why a target is not there, as far as the source of its module tells, without importing the module.

    The packages around the module are imported. Returns: None where the target is there, and where only importing would tell.
    """
    module_name, _, attribute = path.partition(":")
    try:
        spec = find_spec(module_name)
    except ModuleNotFoundError as error:
        return f"{path!r} cannot be imported: {error}; mend the plugin"
    except Exception:
        return None
    if spec is None:
        return f"{path!r} cannot be imported: there is no module {module_name}; mend the plugin"
    names = None if spec.origin is None or not spec.origin.endswith(".py") else _names_in(Path(spec.origin))
    if names is None or attribute in names:
        return None
    return f"{path!r}: {module_name} has no {attribute!r}; {nearest(attribute, names)}write module:attribute in the plugin"


def _names_in(file: Path) -> set[str] | None:
    """Return the names that a module's source binds outside of functions and classes; None where the source does not tell."""
    try:
        waiting: list[ast.AST] = [ast.parse(file.read_bytes())]
    except (OSError, SyntaxError, ValueError):
        return None
    names: set[str] = set()
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        waiting += ast.iter_child_nodes(node)
    return None if names & {"*", "__getattr__"} else names
