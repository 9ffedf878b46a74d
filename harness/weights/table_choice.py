"""The choice of the table that is read, where a file holds several tables of tensors: never in silence, and never a guess."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from harness.errors import UserError, nearest
from harness.weights.comparison import Differences, differences
from harness.weights.layouts import Layout, without_tensors
from harness.weights.stored import Stored
from harness.weights.table_names import is_averaged
from harness.weights.tables import Nameless, Table, tables_of, views


@dataclass(frozen=True)
class Wanted:
    """The tensors that a file must give.

    Args:
        network: the network that the tensors are for.
        part: the part of the network that the file holds; "" for the network itself.
        expected: the tensors by their names in the part.
        elsewhere: beginnings of the names of tensors that other files hold; the file may hold them too.
    """

    network: torch.nn.Module
    part: str
    expected: Mapping[str, Tensor]
    elsewhere: tuple[str, ...] = ()


@dataclass(frozen=True)
class Candidate:
    """A table of a file, as the rules of a family of networks read it.

    Args:
        table: the table.
        tensors: its tensors by the names of the network; empty where the rules cannot read the table.
        differences: what keeps the table from fitting; None where the rules cannot read it.
        fault: why the rules cannot read it; "" where they can.
    """

    table: Table
    tensors: Mapping[str, Tensor]
    differences: Differences | None
    fault: str = ""

    @property
    def fits(self) -> bool:
        """Whether the table has the names and shapes of the network."""
        return self.differences is not None and self.differences.is_empty

    def lacks_rest(self, trained: Collection[str]) -> bool:
        """Return whether the table is averaged, does not fit, and lacks nothing but tensors that are not trained."""
        found = self.differences
        if found is None or self.fits or not self.table.is_averaged:
            return False
        return not (found.unexpected or found.other_shape or any(name in trained for name in found.lacking))

    def likeness(self, wanted: Wanted) -> tuple[int, int]:
        """Return how many names the table shares with the network, and how many tensors it has, to compare candidates."""
        return sum(name in wanted.expected for name in self.tensors), len(self.table.tensors)

    def is_like(self, wanted: Wanted) -> bool:
        """Return whether the table has half of the network's names or of its shapes, or is half as large and cannot be read."""
        shared, count = self.likeness(wanted)
        alike = [_shapes(self.table.tensors.values(), wanted), shared if self.differences else count]
        return 2 * max(alike) >= len(wanted.expected)


@dataclass(frozen=True)
class Choice:
    """The table that is read.

    Args:
        candidate: the table; it need not fit where no table does.
        not_read: names of the other tables that fit.
    """

    candidate: Candidate
    not_read: tuple[str, ...]


def choose(stored: Stored, rules: Layout, wanted: Wanted, name: str = "") -> Choice:
    """Return the table of a file that fits the network, or else the one that is most like it.

    Args:
        name: the table that the user names; "" leaves the choice to the names: where several tables fit, the only one whose name
            says that it is averaged is taken.
    Raises: UserError, which lists the tables, where several fit and none goes before the others by its name; where averaged
        weights of the file cannot be read; and where no table has the name that the user gives.
    """
    tables = tables_of(stored.content)
    if not tables.named:
        raise without_tensors(stored)
    candidates = [read for table in tables.named for read in _read(table, stored, rules, wanted)]
    named = _named_by_parameters(tables.nameless, candidates, wanted)
    nameless = [values for values in tables.nameless if values.path not in [table.path for table in named]]
    candidates = _completed([*candidates, *(_candidate(table, stored, rules, wanted) for table in named)], wanted)
    if name:
        candidates = _named(candidates, tables.named, name, stored)
    fitting = [candidate for candidate in candidates if candidate.fits]
    if not fitting:
        return Choice(max(candidates, key=lambda candidate: candidate.likeness(wanted)), ())
    if not name:
        _refuse_unread_averages(candidates, nameless, fitting, wanted, stored)
    averaged = [candidate for candidate in fitting if candidate.table.is_averaged]
    chosen = fitting if len(fitting) == 1 else averaged
    if len(chosen) != 1:
        titles = [candidate.table.title for candidate in fitting]
        raise UserError(f"{stored.path}: {len(fitting)} of its tables fit the network: {', '.join(titles)}; {_advice(fitting)}")
    others = tuple(candidate.table.title for candidate in fitting if candidate is not chosen[0])
    return Choice(chosen[0], others)


def _shapes(values: Iterable[Tensor], wanted: Wanted) -> int:
    """Return how many of the network's shapes the values have, each shape as often as it occurs: names can be any."""
    shapes = Counter(tuple(value.shape) for value in values if not value.is_nested)
    return (shapes & Counter(tuple(value.shape) for value in wanted.expected.values())).total()


def _advice(fitting: Sequence[Candidate]) -> str:
    example = next((candidate.table.name for candidate in fitting if candidate.table.name), "")
    if not example:
        return "save its tensors in a file of their own, since no name chooses the top of a file"
    return f"choose one by its name: `part: {example}` beside `file:` on a board, `--part {example}` of convert"


def _read(table: Table, stored: Stored, rules: Layout, wanted: Wanted) -> list[Candidate]:
    """Return the candidates that a table gives: itself, groups of its tensors that fit, and groups that say they are averaged."""
    whole: Candidate | None = None
    groups: list[Candidate] = []
    for view in views(table, smallest=max(1, len(wanted.expected) // 4)):
        is_averaged_group = bool(is_averaged(view.path[len(table.path) :]))
        if whole is not None and whole.fits and not is_averaged_group:
            continue
        read = _candidate(view, stored, rules, wanted)
        if view.path == table.path:
            whole = read if whole is None or read.fits else whole
        elif read.fits or is_averaged_group:
            groups.append(read)
    assert whole is not None  # `views` gives the table first
    return [*([] if any(group.fits for group in groups) and not whole.fits else [whole]), *_distinct(groups)]


def _distinct(groups: Sequence[Candidate]) -> list[Candidate]:
    """Leave out groups that have the tensors of another one: a prefix of two words is also a part of the prefix of one."""
    kept: dict[frozenset[int], Candidate] = {}
    for group in groups:
        kept.setdefault(frozenset(map(id, group.table.tensors.values())), group)
    return list(kept.values())


def _candidate(table: Table, stored: Stored, rules: Layout, wanted: Wanted) -> Candidate:
    try:
        tensors = rules.tensors(replace(stored, content=table.tensors), wanted.network, wanted.part)
    except UserError as error:
        message = str(error)
        return Candidate(table, {}, None, message if str(stored.path) in message else f"{stored.path}: {message}")
    except Exception as error:
        return Candidate(table, {}, None, f"{stored.path}: {type(error).__name__}: {error}")
    needed = {name: value for name, value in tensors.items() if not name.startswith(wanted.elsewhere)}
    return Candidate(table, tensors, differences(needed, wanted.expected))


def _named(candidates: Sequence[Candidate], tables: Sequence[Table], name: str, stored: Stored) -> list[Candidate]:
    """Return the candidates of the table that the user names, or of the tables in it. Raises: UserError for another name."""
    for is_it in (
        lambda table: table.name == name,
        lambda table: table.name.startswith(f"{name}."),
        lambda table: table.name.endswith(f".{name}"),
    ):
        if found := [candidate for candidate in candidates if is_it(candidate.table)]:
            return found
    names = list(dict.fromkeys(table.name for table in [*tables, *(read.table for read in candidates)] if table.name))
    raise UserError(
        f"{stored.path}: has no table of tensors called {name!r}; {nearest(name, names)}it has {', '.join(names) or 'no tables'}"
    )


def _named_by_parameters(nameless: Sequence[Nameless], candidates: Sequence[Candidate], wanted: Wanted) -> list[Table]:
    """Return the lists of averages that have a tensor of the right shape for each parameter, as tables with their names.

    Averages of `network.parameters()` lack the buffers. Their order is that of the raw table, which gives the names. A list of
    all parameters goes before one of those that are trained.
    """
    raw = _raw(candidates)
    if raw is None:
        return []
    read_as = {id(value): name for name, value in raw.tensors.items()}
    named = []
    for values in nameless:
        for parameters in (_parameters(wanted), _parameters(wanted, are_trained=True)):
            names = [name for name, value in raw.table.tensors.items() if read_as.get(id(value)) in parameters]
            if len(names) == len(parameters) and [raw.table.tensors[name].shape for name in names] == [
                value.shape for value in values.values
            ]:
                named.append(Table(values.path, dict(zip(names, values.values, strict=True)), True))
                break
    return named


def _raw(candidates: Sequence[Candidate]) -> Candidate | None:
    """Return the first table that fits and is not averaged: it has what averages of parameters lack."""
    return next((candidate for candidate in candidates if candidate.fits and not candidate.table.is_averaged), None)


def _parameters(wanted: Wanted, *, are_trained: bool = False) -> set[str]:
    """Return the names of the parameters in the part, those of a shared parameter too. are_trained: leave frozen ones out."""
    prefix = f"{wanted.part}." if wanted.part else ""
    names = {
        name.removeprefix(prefix)
        for name, value in wanted.network.named_parameters(remove_duplicate=False)
        if name.startswith(prefix) and (value.requires_grad or not are_trained)
    }
    return names & wanted.expected.keys()


def _completed(candidates: Sequence[Candidate], wanted: Wanted) -> list[Candidate]:
    """Return the candidates, and give averages of parameters the rest from a table that fits: buffers and frozen parameters."""
    raw = _raw(candidates)
    if raw is None:
        return list(candidates)
    trained = _parameters(wanted, are_trained=True)
    return [_with_rest(candidate, raw, wanted) if candidate.lacks_rest(trained) else candidate for candidate in candidates]


def _with_rest(candidate: Candidate, raw: Candidate, wanted: Wanted) -> Candidate:
    assert candidate.differences is not None  # `lacks_rest` says so
    tensors = {**candidate.tensors, **{name: raw.tensors[name] for name in candidate.differences.lacking}}
    needed = {name: value for name, value in tensors.items() if not name.startswith(wanted.elsewhere)}
    return Candidate(candidate.table, tensors, differences(needed, wanted.expected))


def _refuse_unread_averages(
    candidates: Sequence[Candidate],
    nameless: Sequence[Nameless],
    fitting: Sequence[Candidate],
    wanted: Wanted,
    stored: Stored,
) -> None:
    """Raises: UserError where the file has averaged weights of such a network that cannot be read, and others fit."""
    if any(candidate.table.is_averaged for candidate in fitting):
        return
    # A network may have a module called `ema_net`: its tensors are read with the others.
    used = {id(value) for candidate in fitting for value in candidate.tensors.values()}
    unread = [
        f"{values.title} (a list without names)"
        for values in nameless
        if 2 * _shapes(values.values, wanted) >= len(wanted.expected)
    ]
    unread += [
        f"{candidate.table.title} ({candidate.fault or (candidate.differences and candidate.differences.text)})"
        for candidate in candidates
        if candidate.table.is_averaged
        and candidate.is_like(wanted)
        and not all(id(value) in used for value in candidate.table.tensors.values())
    ]
    if unread:
        titles = ", ".join(candidate.table.title for candidate in fitting)
        raise UserError(
            f"{stored.path}: its averaged weights do not fit the network: {unread[0]}; {titles}, not averaged, would fit; "
            f"to read it all the same, {_advice(fitting)}"
        )
