"""YAML with line numbers, so that every fault in a board can say where it stands."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from harness.errors import Faults, UserError

Location = tuple[str | int, ...]
"""The keys and the numbers of list items that lead to a value: `("bases", "net", "pretrain", 0)`."""


@dataclass(frozen=True)
class YamlFile:
    """A parsed YAML file: plain values, and the line on which each key or list item stands."""

    path: Path
    value: object
    lines: Mapping[Location, int] = field(default_factory=dict)

    def line(self, location: Location) -> int:
        """Return the line of a location; of the nearest enclosing key, where the file does not hold the location itself."""
        while location and location not in self.lines:
            location = location[:-1]
        return self.lines.get(location, 1)

    def where(self, location: Location) -> str:
        """Return file and line of a location, as messages begin: `board.yaml:14`."""
        return f"{self.path}:{self.line(location)}"

    def as_written(self, location: Location) -> Location:
        """Return a location without the numbers of list items where the file holds one item without a list."""
        written: Location = ()
        for part in location:
            is_unwritten_list = part == 0 and written in self.lines and (*written, 0) not in self.lines
            if not is_unwritten_list:
                written = (*written, part)
        return written


def read_yaml(path: Path) -> YamlFile:
    """Parse a file. Raises: UserError for a missing file or a syntax error, Faults for repeated keys, each with its line."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None
    return parse_yaml(text, path)


def parse_yaml(text: str, path: Path) -> YamlFile:
    """Parse a text as the content of `path`. Raises: UserError or Faults, like `read_yaml`."""
    try:
        loader = yaml.SafeLoader(text)
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {error}") from None
    walker = _Walker(loader, path)
    try:
        node = loader.get_single_node()
        if node is None:
            raise UserError(f"{path}:1: the file is empty")
        value = walker.walk(node, ())
    except yaml.YAMLError as error:
        raise _syntax_error(error, path) from None
    except RecursionError:
        raise UserError(f"{path}: an anchor holds itself, or lists are nested too deeply") from None
    finally:
        loader.dispose()
    if walker.faults:
        raise Faults(text for _, text in sorted(walker.faults))
    return YamlFile(path, value, walker.lines)


def _syntax_error(error: yaml.YAMLError, path: Path) -> UserError:
    if not isinstance(error, yaml.MarkedYAMLError):
        return UserError(f"{path}: not valid YAML: {error}")
    line = error.problem_mark.line + 1 if error.problem_mark else 1
    # A bracket that is never closed is noticed far from where it stands.
    opening = "" if error.context_mark is None else f", {error.context} that began on line {error.context_mark.line + 1}"
    return UserError(f"{path}:{line}: not valid YAML: {error.problem}{opening}")


_PLAIN_TAGS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")


class _Walker:
    """Builds plain values from YAML nodes and remembers lines. Repeated keys are faults; PyYAML would keep the last."""

    def __init__(self, loader: yaml.SafeLoader, path: Path) -> None:
        self._loader, self._path = loader, path
        self.lines: dict[Location, int] = {}
        self.faults: list[tuple[int, str]] = []
        """The line and the text of each fault."""

    def walk(self, node: yaml.Node, location: Location) -> object:
        """Return the value of a node that stands at a location."""
        line = node.start_mark.line + 1
        self.lines.setdefault(location, line)
        if isinstance(node, yaml.CollectionNode) and node.tag not in _PLAIN_TAGS:
            self._add_fault(line, f"tags such as {node.tag!r} have no meaning here")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, location)
        if isinstance(node, yaml.SequenceNode):
            return [self.walk(item, (*location, index)) for index, item in enumerate(node.value)]
        return self._loader.construct_object(node, deep=True)

    def _mapping(self, node: yaml.MappingNode, location: Location) -> dict[str, object]:
        self._refuse_repeats(node)
        self._loader.flatten_mapping(node)  # resolves `<<: *anchor`; merged keys come first, so own keys replace them
        mapping: dict[str, object] = {}
        for key_node, value_node in node.value:
            key = self._loader.construct_object(key_node, deep=True)
            name = key if isinstance(key, str) else str(key_node.value)
            self.lines[(*location, name)] = key_node.start_mark.line + 1
            mapping[name] = self.walk(value_node, (*location, name))
        return mapping

    def _refuse_repeats(self, node: yaml.MappingNode) -> None:
        first_lines: dict[Hashable, int] = {}
        for key_node, _ in node.value:
            key, line = key_node.value, key_node.start_mark.line + 1
            if not isinstance(key, str) or key == "<<":
                continue
            if key in first_lines:
                self._add_fault(line, f"{key!r} is given twice; first on line {first_lines[key]}")
            first_lines.setdefault(key, line)

    def _add_fault(self, line: int, text: str) -> None:
        self.faults.append((line, f"{self._path}:{line}: {text}"))
