"""Methods ranked over several bases and boards."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from harness.board.columns import Column
from harness.errors import Faults, UserError, unknown
from harness.report.common_seeds import mean_at, own_places
from harness.report.rows import TableRow
from harness.report.table import Table
from harness.statistics.ranks import FEWEST_BLOCKS, FEWEST_METHODS, MeanRanks, mean_ranks


@dataclass(frozen=True)
class RankedMethods:
    """The methods that all blocks have, and their ranks.

    Args:
        methods: labels, the best mean rank first.
        blocks: `board, base` of each block, in the order of the boards.
        left_out: a line for each method and block that does not count, with the reason.
    """

    methods: tuple[str, ...]
    blocks: tuple[str, ...]
    ranks: MeanRanks
    left_out: tuple[str, ...]

    @property
    def groups(self) -> list[tuple[str, ...]]:
        """The largest runs of neighbours in rank that are not told apart."""
        ends = [self._end_of_run(start) for start in range(len(self.methods))]
        longest = [end for start, end in enumerate(ends) if end > start and (start == 0 or end > ends[start - 1])]
        starts = [start for start, end in enumerate(ends) if end > start and (start == 0 or end > ends[start - 1])]
        return [self.methods[start : end + 1] for start, end in zip(starts, longest, strict=True)]

    def _end_of_run(self, start: int) -> int:
        return max(end for end in range(start, len(self.methods)) if not self.ranks.told_apart(start, end))


def rank_methods(tables: Sequence[Table], metric: str | None = None, bases: Collection[str] = ()) -> RankedMethods:
    """Rank the methods of several boards, each base of each board being a block.

    A method is known by its label, since boards give settings of their own to each base. A block's value is the mean over the
    seeds of a whole row, and a row that lacks a seed of another row of its base does not count: seeds differ in how hard they
    are. Of boards with several samplers or numbers of samples the first ones count.

    Args:
        metric: the column; by default the first column of each board that ranks.
        bases: names of the bases that count; of each board all where none is named.
    Raises: UserError for a column that a board lacks, for two boards of one name, for a copy of a board, and for a base that no
            board has; Faults for too few methods or blocks to test, with a line for each that does not count.
    """
    _check_names(tables)
    _check_bases(tables, bases)
    left_out: list[str] = []
    blocks: dict[str, tuple[dict[str, float], bool]] = {}
    boards: dict[str, str] = {}
    for table in tables:
        column = _column(table, metric)
        for base, rows in _rows_by_base(table).items():
            if bases and base not in bases:
                continue
            values = _values(rows, column, f"{table.board.name}, {base}", left_out)
            if len(values) > 1:
                blocks[f"{table.board.name}, {base}"] = values, column.higher_is_better
                boards[f"{table.board.name}, {base}"] = table.board.name
            else:
                left_out.append(f"{table.board.name}, {base}: has one method, which ranks nothing")
    _check_copies({name: values for name, (values, _) in blocks.items()}, boards)
    methods = _shared_methods({name: values for name, (values, _) in blocks.items()}, left_out)
    if len(blocks) < FEWEST_BLOCKS or len(methods) < FEWEST_METHODS:
        whole = "1 method is" if len(methods) == 1 else f"{len(methods)} methods are"
        on = "the 1 base" if len(blocks) == 1 else f"all {len(blocks)} bases"
        raise Faults(
            [
                f"ranks need {FEWEST_METHODS} methods on {FEWEST_BLOCKS} bases at least: {whole} whole on {on}",
                *(f"left out: {line}" for line in left_out),
            ]
        )
    table_of = [[values[method] for method in methods] for values, _ in blocks.values()]
    unsorted = mean_ranks(table_of, higher_is_better=[higher for _, higher in blocks.values()])
    order = unsorted.means.argsort(kind="stable")
    ranks = MeanRanks(unsorted.ranks[:, order], unsorted.means[order], unsorted.p, unsorted.critical_difference)
    return RankedMethods(tuple(methods[place] for place in order), tuple(blocks), ranks, tuple(left_out))


def _check_names(tables: Sequence[Table]) -> None:
    """Refuse boards of one name, whose bases would count as the same blocks."""
    folders: dict[str, Path] = {}
    for board in [table.board for table in tables]:
        if (other := folders.get(board.name)) is None:
            folders[board.name] = board.folder
        elif other.resolve() == board.folder.resolve():
            raise UserError(f"the board {board.folder} is given twice; name each board once")
        else:
            raise UserError(f"two boards are named {board.name!r}: {other} and {board.folder}; give one folder another name")


def _check_copies(blocks: Mapping[str, Mapping[str, float]], boards: Mapping[str, str]) -> None:
    """Refuse blocks of two boards that are equal in every value: a copy tells nothing new, and would count as another base.

    Args:
        boards: name of each block's board.
    """
    for (first, values), (second, others) in combinations(blocks.items(), 2):
        if values == others and boards[first] != boards[second]:
            raise UserError(f"{first} and {second} have the same values, so one is a copy of the other; name one of the two")


def _check_bases(tables: Sequence[Table], bases: Collection[str]) -> None:
    known = {base for table in tables for base in _rows_by_base(table)}
    for base in bases:
        if base not in known:
            raise unknown("base", base, known, where=", ".join(f"board {table.board.name}" for table in tables))


def _column(table: Table, metric: str | None) -> Column:
    columns = {column.name: column for column in table.ranking_columns}
    if metric is None and columns:
        return next(iter(columns.values()))
    if metric not in columns:
        raise unknown("column that ranks", metric or "(any)", columns, where=f"board {table.board.name}")
    return columns[metric]


def _rows_by_base(table: Table) -> dict[str, list[TableRow]]:
    rows = [row for row in table.rows if not row.is_data and row.block == (table.sizes[0], table.samplers[0])]
    return {base: [row for row in rows if row.base == base] for base in dict.fromkeys(row.base for row in rows)}


def _values(rows: Sequence[TableRow], column: Column, block: str, left_out: list[str]) -> dict[str, float]:
    whole: dict[str, TableRow] = {}
    for row in rows:
        if row.score(column) is not None and row.competes:
            whole[row.method_label] = row
        elif not row.is_skipped:
            left_out.append(f"{block}: {row.method_label} is not whole")
    if not whole:
        return {}
    seeds = own_places(list(whole.values()), column)
    values: dict[str, float] = {}
    for label, row in whole.items():
        if (value := mean_at(row, column, seeds)) is not None:
            values[label] = value
        else:
            own = own_places([row], column).sum()
            left_out.append(f"{block}: {label} has {own} of the {seeds.sum()} seeds that the base's rows have")
    return values


def _shared_methods(values_of: Mapping[str, Mapping[str, float]], left_out: list[str]) -> list[str]:
    """Return the methods that all blocks have; the others are noted."""
    everywhere: list[str] = []
    for method in dict.fromkeys(method for values in values_of.values() for method in values):
        lacking = [block for block, values in values_of.items() if method not in values]
        if lacking:
            left_out.append(f"{method}: has no whole row at {'; '.join(lacking)}")
        else:
            everywhere.append(method)
    return everywhere
