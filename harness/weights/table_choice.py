"""The choice of the table that is read, where a file holds several tables of tensors: never in silence, and never a guess."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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

    def likeness(self, wanted: Wanted) -> tuple[int, int]:
        """Return how many names the table shares with the network, and how many tensors it has, to compare candidates."""
        return sum(name in wanted.expected for name in self.tensors), len(self.table.tensors)

    def is_like(self, wanted: Wanted) -> bool:
        """Return whether the table has at least half of the network's names, or is as large and cannot be read."""
        shared, count = self.likeness(wanted)
        return 2 * (count if self.differences is None else shared) >= len(wanted.expected)


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
    if name:
        candidates = _named(candidates, tables.named, name, stored)
    fitting = _completed(candidates, wanted) + [candidate for candidate in candidates if candidate.fits]
    if not fitting:
        return Choice(max(candidates, key=lambda candidate: candidate.likeness(wanted)), ())
    if not name:
        _refuse_unread_averages(candidates, tables.nameless, fitting, wanted, stored)
    averaged = [candidate for candidate in fitting if candidate.table.is_averaged]
    chosen = fitting if len(fitting) == 1 else averaged
    if len(chosen) != 1:
        titles = [candidate.table.title for candidate in fitting]
        raise UserError(f"{stored.path}: {len(fitting)} of its tables fit the network: {', '.join(titles)}; {_advice(fitting)}")
    others = tuple(candidate.table.title for candidate in fitting if candidate is not chosen[0])
    return Choice(chosen[0], others)


def _advice(fitting: Sequence[Candidate]) -> str:
    example = next((candidate.table.name for candidate in fitting if candidate.table.name), "NAME")
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


def _completed(candidates: Sequence[Candidate], wanted: Wanted) -> list[Candidate]:
    """Return averaged tables that lack buffers alone, with the buffers of a table that fits: averages are of parameters."""
    raw = next((candidate for candidate in candidates if candidate.fits and not candidate.table.is_averaged), None)
    prefix = f"{wanted.part}." if wanted.part else ""
    parameters = {name.removeprefix(prefix) for name, _ in wanted.network.named_parameters()}
    completed = []
    for candidate in candidates:
        found = candidate.differences
        if raw is None or found is None or candidate.fits or not candidate.table.is_averaged:
            continue
        if not (found.unexpected or found.other_shape or parameters.intersection(found.lacking)):
            tensors = {**candidate.tensors, **{name: raw.tensors[name] for name in found.lacking}}
            completed.append(Candidate(candidate.table, tensors, differences(tensors, wanted.expected)))
    return completed


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
    unread = [f"{values.title} (a list without names)" for values in nameless if 2 * values.count >= len(wanted.expected)]
    unread += [
        f"{candidate.table.title} ({candidate.fault or (candidate.differences and candidate.differences.text)})"
        for candidate in candidates
        if candidate.table.is_averaged and candidate.is_like(wanted)
    ]
    if unread:
        titles = ", ".join(candidate.table.title for candidate in fitting)
        raise UserError(
            f"{stored.path}: its averaged weights do not fit the network: {unread[0]}; {titles}, not averaged, would fit; "
            f"to read it all the same, {_advice(fitting)}"
        )
