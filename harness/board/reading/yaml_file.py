"""YAML with line numbers, so that every fault in a board can say where it stands."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from harness.board.reading.yaml_scalars import Misread, check_characters, scalar_value
from harness.errors import Faults, UserError
from harness.store.reading import read_text

Location = tuple[str | int, ...]
"""The keys and the numbers of list items that lead to a value: `("bases", "net", "pretrain", 0)`."""


@dataclass(frozen=True)
class YamlFile:
    """A parsed YAML file: plain values, and the line on which each key or list item stands.

    Args:
        texts: the first line of each text that has braces, and the text as the file has it.
    """

    path: Path
    value: object
    lines: Mapping[Location, int] = field(default_factory=dict)
    texts: Mapping[Location, tuple[int, str]] = field(default_factory=dict)

    def line(self, location: Location) -> int:
        """Return the line of a location; of the nearest enclosing key, where the file does not hold the location itself."""
        while location and location not in self.lines:
            location = location[:-1]
        return self.lines.get(location, 1)

    def lines_of(self, location: Location, part: str) -> list[int]:
        """Return the line of each occurrence of a part in the text at a location, as far as the file has it without escapes."""
        first, written = self.texts.get(location, (1, ""))
        return [first + index for index, line in enumerate(written.split("\n")) for _ in range(line.count(part))]

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


LARGEST_FILE = 2**19
"""Bytes of the largest file that is read. The parser takes up to ten seconds for so much."""
MOST_VALUES = 100_000
"""The largest number of values in a file, where the content of an anchor counts again at each alias."""


def read_yaml(path: Path) -> YamlFile:
    """Parse a file. Raises: UserError for a missing file or a syntax error, Faults for repeated keys, each with its line."""
    try:
        text = read_text(path, largest=LARGEST_FILE)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    return parse_yaml(text, path)


def parse_yaml(text: str, path: Path) -> YamlFile:
    """Parse a text as the content of `path`. Raises: UserError or Faults, like `read_yaml`."""
    try:
        loader = yaml.SafeLoader(text)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise UserError(
            f"{path}:{line}: not valid YAML: the character U+{ord(text[error.position]):04X} is not allowed"
        ) from None
    walker = _Walker(loader, path, text)
    try:
        node = loader.get_single_node()
        if node is None:
            raise UserError(f"{path}:1: the file is empty")
        value = walker.walk(node, ())
    except yaml.YAMLError as error:
        raise _syntax_error(error, path) from None
    except RecursionError:
        raise UserError(f"{path}: an anchor holds itself, or lists are nested too deeply") from None
    except (ValueError, OverflowError):  # from an escape such as "\\UFFFFFFFF", which is no character
        raise UserError(f"{path}:{loader.line + 1}: not valid YAML: an escape in quotes stands for no character") from None
    finally:
        loader.dispose()
    if walker.faults:
        raise Faults(text for _, text in sorted(walker.faults))
    return YamlFile(path, value, walker.lines, walker.texts)


def parse_value(text: str, *, where: str) -> object:
    """Return the value of a text on a command line, which is written as in YAML. Raises: UserError that begins with `where`."""
    if not text.strip():
        return None
    here = Path("text")
    try:
        return parse_yaml(text, here).value
    except UserError as error:
        faults = [line.removeprefix(f"{here}:1: ").removeprefix(f"{here}: ") for line in str(error).splitlines()]
        raise UserError(f"{where}: {'; '.join(faults)}") from None


def _syntax_error(error: yaml.YAMLError, path: Path) -> UserError:
    if not isinstance(error, yaml.MarkedYAMLError):
        return UserError(f"{path}: not valid YAML: {error}")
    line = error.problem_mark.line + 1 if error.problem_mark else 1
    # A bracket that is never closed is noticed far from where it stands.
    opening = "" if error.context_mark is None else f", {error.context} that began on line {error.context_mark.line + 1}"
    return UserError(f"{path}:{line}: not valid YAML: {error.problem}{opening}")


_PLAIN_TAGS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")
_MERGE = "tag:yaml.org,2002:merge"


class _Walker:
    """Builds plain values from YAML nodes and remembers lines. Repeated keys are faults; PyYAML would keep the last."""

    def __init__(self, loader: yaml.SafeLoader, path: Path, text: str) -> None:
        self._loader, self._path, self._text = loader, path, text
        self._count = 0
        self.lines: dict[Location, int] = {}
        self.texts: dict[Location, tuple[int, str]] = {}
        self.faults: set[tuple[int, str]] = set()
        """The line and the text of each fault, once, although an anchor is walked again at each alias."""

    def walk(self, node: yaml.Node, location: Location) -> object:
        """Return the value of a node that stands at a location."""
        line = node.start_mark.line + 1
        self._count_value(line)
        self.lines.setdefault(location, line)
        if isinstance(node, yaml.CollectionNode) and node.tag not in _PLAIN_TAGS:
            self._add_fault(line, f"tags such as {node.tag!r} have no meaning here")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, location)
        if isinstance(node, yaml.SequenceNode):
            return [self.walk(item, (*location, index)) for index, item in enumerate(node.value)]
        if not isinstance(node, yaml.ScalarNode):
            raise TypeError(f"PyYAML made a node of no known kind: {node!r}")
        if "{" in node.value or "}" in node.value:
            self.texts[location] = line, self._text[node.start_mark.index : node.end_mark.index]
        try:
            return scalar_value(self._loader, node)
        except Misread as error:
            self._add_fault(line, str(error))
            return None

    def _mapping(self, node: yaml.MappingNode, location: Location) -> dict[str, object]:
        mapping: dict[str, object] = {}
        for key_node, value_node in self._pairs(node):
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self._add_fault(line, "a key is a text, and no list or mapping")
                continue
            try:
                check_characters(key_node.value)
            except Misread as error:
                self._add_fault(line, str(error))
            # A key is the text as it was written: YAML would make a truth value of `no`.
            self.lines[(*location, key_node.value)] = line
            mapping[key_node.value] = self.walk(value_node, (*location, key_node.value))
        return mapping

    def _pairs(self, node: yaml.MappingNode) -> Iterator[tuple[yaml.Node, yaml.Node]]:
        """Yield keys and values. Those of `<<: *anchor` come first, so that own keys replace them."""
        self._refuse_repeats(node)
        for key_node, value_node in node.value:
            if key_node.tag != _MERGE:
                continue
            # In a list of mappings, the first has precedence.
            merged = reversed(value_node.value) if isinstance(value_node, yaml.SequenceNode) else [value_node]
            for mapping in merged:
                line = key_node.start_mark.line + 1
                self._count_value(line)
                if isinstance(mapping, yaml.MappingNode):
                    yield from self._pairs(mapping)
                else:
                    self._add_fault(line, "<< takes the alias of a mapping, or a list of such aliases")
        yield from (pair for pair in node.value if pair[0].tag != _MERGE)

    def _refuse_repeats(self, node: yaml.MappingNode) -> None:
        first_lines: dict[Hashable, int] = {}
        for key_node, _ in node.value:
            key, line = key_node.value, key_node.start_mark.line + 1
            if not isinstance(key, str) or key_node.tag == _MERGE:
                continue
            if key in first_lines:
                self._add_fault(line, f"{key!r} is given twice; first on line {first_lines[key]}")
            first_lines.setdefault(key, line)

    def _count_value(self, line: int) -> None:
        self._count += 1
        if self._count > MOST_VALUES:
            raise UserError(f"{self._path}:{line}: more than {MOST_VALUES:,} values; does an alias repeat aliases?")

    def _add_fault(self, line: int, text: str) -> None:
        self.faults.add((line, f"{self._path}:{line}: {text}"))
