"""Who imports whom, read from the source: modules, their imports, and the circles among them."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

Graph = Mapping[str, set[str]]
"""The modules that each module imports when it is loaded or called; imports for type checkers alone are left out."""


def modules(base: Path, package: str) -> dict[str, Path]:
    """Return every module of a package by its dotted name."""
    files = (base / package).rglob("*.py")
    return {".".join(file.relative_to(base).with_suffix("").parts).removesuffix(".__init__"): file for file in files}


def plugin_packages() -> list[str]:
    """Return the import packages under plugins/."""
    return sorted(folder.name for folder in (ROOT / "plugins").iterdir() if (folder / "__init__.py").is_file())


@cache
def statements(file: Path, *, in_functions: bool = True) -> tuple[tuple[str, ...], ...]:
    """Return what each import statement of a file names, type checking aside.

    `from module import a, b` names `module`, `module.a` and `module.b`; `import a, b` is two statements.
    """
    return tuple(_statements(file, in_functions))


def _statements(file: Path, in_functions: bool) -> Iterator[tuple[str, ...]]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    ignored: set[int] = set()
    for node in ast.walk(tree):
        is_for_types = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        if is_for_types or (isinstance(node, ast.FunctionDef) and not in_functions):
            ignored |= {id(inner) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in ignored:
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            yield (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
        elif isinstance(node, ast.Import):
            yield from ((alias.name,) for alias in node.names)


def imported(file: Path, *, in_functions: bool = True) -> tuple[str, ...]:
    """Return the dotted name of everything that a file imports, `module` and `module.name`, type checking aside."""
    return tuple(name for statement in statements(file, in_functions=in_functions) for name in statement)


def graph(files: Mapping[str, Path], *, lazy: Collection[str] = ()) -> Graph:
    """Return the import graph among the given modules. `from package import module` counts as an import of the module alone.

    lazy: the modules whose imports inside functions do not count.
    """
    edges: dict[str, set[str]] = {}
    for name, file in files.items():
        targets: set[str] = set()
        for statement in statements(file, in_functions=name not in lazy):
            attributes = statement[1:]
            are_modules = attributes and all(attribute in files for attribute in attributes)
            targets |= set(attributes if are_modules else statement)
        edges[name] = {target for target in targets if target in files and target != name}
    return edges


def circles(edges: Graph) -> list[list[str]]:
    """Return every set of modules that import one another, sorted (Tarjan's strongly connected components)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    components: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in edges[name]:
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            component = []
            while not component or component[-1] != name:
                component.append(stack.pop())
            if len(component) > 1:
                components.append(sorted(component))

    for name in edges:
        if name not in index:
            visit(name)
    return components
