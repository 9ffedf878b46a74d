"""Tables of tensors in the content of a file of weights: a checkpoint may hold several, in nested tables and behind prefixes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from harness.weights.table_names import WRAPPERS, is_averaged, may_hold_weights, without_wrappers

LEVELS = 8
"""The largest number of nested tables around the tensors of a checkpoint."""

_PREFIXES = 4
"""The largest number of words in a prefix behind which a table may hold another: `model.diffusion_model.` has two."""


@dataclass(frozen=True)
class Table:
    """Tensors by name, at one place of a file.

    Args:
        path: the keys that lead to it; empty for the top of the file.
        tensors: the tensors by name, with the prefixes of wrappers.
        is_averaged: what its name says: averaged weights, raw ones, or nothing (None).
    """

    path: tuple[str, ...]
    tensors: Mapping[str, Tensor]
    is_averaged: bool | None

    @property
    def name(self) -> str:
        """The keys with points between them; "" for the top of the file."""
        return ".".join(key for key in self.path if f"{key}." not in WRAPPERS)

    @property
    def title(self) -> str:
        """The name as messages show it."""
        return repr(self.name) if self.name else "the top of the file"


@dataclass(frozen=True)
class Nameless:
    """Averaged weights that a file holds as a list, without names, and that no table of the file gives names to."""

    path: tuple[str, ...]
    values: Sequence[Tensor]

    @property
    def title(self) -> str:
        """The name as messages show it."""
        return repr(".".join(self.path))


@dataclass
class Tables:
    """All tables of tensors in a file's content.

    Args:
        named: the tables, outer ones before inner ones.
        nameless: lists of averaged weights whose names cannot be told.
    """

    named: list[Table] = field(default_factory=list)
    nameless: list[Nameless] = field(default_factory=list)


def tables_of(content: Mapping[str, object]) -> Tables:
    """Return every table of tensors in the content of a file. Of optimisers and the like, only averaged weights are tables.

    A list of averaged tensors without names (`shadow_params`) gets the names of a table of the same file that has tensors of
    the same shapes in the same order.
    """
    walk = _Walk()
    walk.visit(content, (), None)
    tables = Tables(walk.tables)
    for path, values in walk.lists:
        if (named := _named_by_order(path, values, walk.tables)) is not None:
            tables.named.append(named)
        elif is_averaged(path):
            tables.nameless.append(Nameless(path, values))
    return tables


class _Walk:
    """Walks through nested tables and lists. Each is visited once, however often the file refers to it."""

    def __init__(self) -> None:
        self.tables: list[Table] = []
        self.lists: list[tuple[tuple[str, ...], Sequence[Tensor]]] = []
        self._seen: set[int] = set()

    def visit(self, value: object, path: tuple[str, ...], averaged: bool | None) -> None:
        """Collect the tables in a value. averaged: what the value's place says, beyond the keys of its path."""
        if id(value) in self._seen or len(path) > LEVELS:
            return
        self._seen.add(id(value))
        if isinstance(value, Mapping):
            self._visit_mapping(value, path, averaged)
        elif isinstance(value, list | tuple):
            tensors = [item for item in value if isinstance(item, Tensor)]
            if len(tensors) == len(value) > 0 and may_hold_weights(path):
                self.lists.append((path, tensors))
            for place, item in enumerate(value):
                self.visit(item, (*path, str(place)), None)

    def _visit_mapping(self, value: Mapping[object, object], path: tuple[str, ...], averaged: bool | None) -> None:
        tensors = {str(name): item for name, item in value.items() if isinstance(item, Tensor)}
        if tensors and may_hold_weights(path):
            self.tables.append(Table(path, tensors, is_averaged(path) if averaged is None else averaged))
        for key, item in value.items():
            # Lightning's WeightAveraging swaps the two: its `state_dict` is averaged, and the raw one goes elsewhere.
            is_swapped = key == "state_dict" and "current_model_state" in value
            self.visit(item, (*path, str(key)), True if is_swapped else None)  # a key may be a number: EMA by its decay


def _named_by_order(path: tuple[str, ...], values: Sequence[Tensor], tables: Sequence[Table]) -> Table | None:
    """Return the list as a table with the names of the first table whose numbers have the same shapes in the same order."""
    for table in tables:
        floating = {name: value for name, value in table.tensors.items() if value.is_floating_point()}
        if [value.shape for value in floating.values()] == [value.shape for value in values]:
            return Table(path, {**table.tensors, **dict(zip(floating, values, strict=True))}, is_averaged(path))
    return None


def views(table: Table, *, smallest: int) -> Iterator[Table]:
    """Give the table without the prefixes of wrappers, and then each group of its tensors whose names share a prefix.

    Args:
        smallest: the least number of tensors in a group; smaller groups are modules of a network and not whole networks.
    """
    stripped = without_wrappers(table.tensors)
    yield Table(table.path, stripped, table.is_averaged)
    for prefix, tensors in _groups(stripped).items():
        if len(tensors) >= smallest:
            path = (*table.path, *prefix)
            says = is_averaged(prefix)
            yield Table(path, without_wrappers(tensors), table.is_averaged if says is None else says)


def _groups(tensors: Mapping[str, Tensor]) -> dict[tuple[str, ...], dict[str, Tensor]]:
    """Return the tensors behind each prefix, by the prefix's words."""
    groups: dict[tuple[str, ...], dict[str, Tensor]] = {}
    dotted = _with_dots(tensors)
    for name, value in tensors.items():
        words = dotted.get(name, name).split(".")
        for count in range(1, min(len(words), _PREFIXES + 1)):
            groups.setdefault(tuple(words[:count]), {})[".".join(words[count:])] = value
    return groups


def _with_dots(names: Iterable[str]) -> dict[str, str]:
    """Return the whole name of each averaged tensor whose name has lost its points.

    Stable Diffusion's averages stand beside the raw weights: `model_ema.diffusion_modelout2weight` is the average of
    `model.diffusion_model.out.2.weight`.
    """
    parts = [name.partition(".") for name in names]
    averaged = {prefix for prefix, point, _ in parts if point and is_averaged((prefix,))}
    dotted = {rest.replace(".", ""): rest for prefix, _, rest in parts if averaged and prefix not in averaged and "." in rest}
    return {
        f"{prefix}.{rest}": f"{prefix}.{dotted[rest]}"
        for prefix, _, rest in parts
        if prefix in averaged and "." not in rest and rest in dotted
    }
