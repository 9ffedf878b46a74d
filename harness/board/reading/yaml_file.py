"""YAML with line numbers: every fault in a board can say where it stands."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from harness.errors import Faults, UserError

Location = tuple[str | int, ...]


@dataclass(frozen=True)
class YamlFile:
    """A parsed YAML file: plain values, and the line on which each key or item stands."""

    path: Path
    value: object
    lines: Mapping[Location, int] = field(default_factory=dict)

    def where(self, location: Location) -> str:
        """`board.yaml:14`, the line of the nearest enclosing key that is in the file."""
        while location and location not in self.lines:
            location = location[:-1]
        return f"{self.path}:{self.lines.get(location, 1)}"

    def as_written(self, location: Location) -> Location:
        """A location without the numbers of list items that the file does not write as a list."""
        found: Location = ()
        for part in location:
            if part != 0 or (*found, 0) in self.lines or found not in self.lines:
                found = (*found, part)
        return found


def read_yaml(path: Path) -> YamlFile:
    """Parse a file. Raises: UserError for a missing file or a syntax error, Faults for repeated keys, with lines."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None
    return parse_yaml(text, path)


def parse_yaml(text: str, path: Path) -> YamlFile:
    """As `read_yaml`, of a text that stands for `path`."""
    try:
        loader = yaml.SafeLoader(text)
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {error}") from None
    try:
        node = loader.get_single_node()
        if node is None:
            raise UserError(f"{path}:1: the file is empty")
        walker = _Walker(loader, path)
        value = walker.walk(node, ())
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        # A bracket that is never closed is noticed far from where it stands.
        began = "" if error.context_mark is None else f", {error.context} that began on line {error.context_mark.line + 1}"
        raise UserError(f"{path}:{line}: not valid YAML: {error.problem}{began}") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {error}") from None
    except RecursionError:
        raise UserError(f"{path}: an anchor holds itself, or lists are nested too deeply") from None
    finally:
        loader.dispose()
    if walker.faults:
        raise Faults(walker.faults)
    return YamlFile(path, value, walker.lines)


_PLAIN = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")


class _Walker:
    """Builds plain values from YAML nodes and remembers lines; repeated keys are faults (PyYAML keeps the last)."""

    def __init__(self, loader: yaml.SafeLoader, path: Path) -> None:
        self.loader, self.path = loader, path
        self.lines: dict[Location, int] = {}
        self.faults: list[str] = []

    def walk(self, node: yaml.Node, location: Location) -> object:
        self.lines.setdefault(location, node.start_mark.line + 1)
        if isinstance(node, yaml.CollectionNode) and node.tag not in _PLAIN:
            self.faults.append(f"{self.path}:{node.start_mark.line + 1}: tags such as {node.tag!r} have no meaning here")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, location)
        if isinstance(node, yaml.SequenceNode):
            return [self.walk(item, (*location, index)) for index, item in enumerate(node.value)]
        return self.loader.construct_object(node, deep=True)

    def _mapping(self, node: yaml.MappingNode, location: Location) -> dict[str, object]:
        self._refuse_repeats(node)
        self.loader.flatten_mapping(node)  # resolves `<<: *anchor`; merged keys come first, so own ones replace them
        result: dict[str, object] = {}
        for key_node, value_node in node.value:
            key = self.loader.construct_object(key_node, deep=True)
            name = key if isinstance(key, str) else str(key_node.value)
            self.lines[(*location, name)] = key_node.start_mark.line + 1
            result[name] = self.walk(value_node, (*location, name))
        return result

    def _refuse_repeats(self, node: yaml.MappingNode) -> None:
        seen: dict[Hashable, int] = {}
        for key_node, _ in node.value:
            key, line = key_node.value, key_node.start_mark.line + 1
            if not isinstance(key, str) or key == "<<":
                continue
            if key in seen:
                self.faults.append(f"{self.path}:{line}: {key!r} is given twice; first on line {seen[key]}")
            seen.setdefault(key, line)
