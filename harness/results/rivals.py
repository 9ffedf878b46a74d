"""Two records of one key: of a published result and of one in a runs folder that is no copy of it, one counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from harness.report.phrases import listed
from harness.results.found_record import FoundRecord, name_of
from harness.store.records import Record


def counted_once(published: Iterable[FoundRecord], of_runs: Iterable[FoundRecord]) -> tuple[list[FoundRecord], list[str]]:
    """Let one of the published and the run's record of each cell and floor be current: the newer one.

    A failed cell has no result, and gives way to one that has. Floors do not say when they were made: the run's counts, since a
    published floor was a run's before.

    Returns: all records, the published ones first, and a line for each kind of what does not count.
    """
    public, private = list(published), list(of_runs)
    rivals = {name_of(found.record): found for found in public if found.is_current}
    # By the file: a board of 100,000 cells has as many records.
    outdated: dict[str, FoundRecord] = {}
    for found in private:
        if found.is_current and (rival := rivals.get(name_of(found.record))) is not None:
            older = rival if _age(found) >= _age(rival) else found
            outdated[str(older.file)] = older
    everything = [replace(found, is_current=False) if str(found.file) in outdated else found for found in (*public, *private)]
    return everything, list(_lines(outdated))


def _age(found: FoundRecord) -> tuple[bool, datetime]:
    record = found.record
    if not isinstance(record, Record):
        return True, datetime.min.replace(tzinfo=UTC)
    return record.status != "failed", _moment(record.created)


def _moment(created: str) -> datetime:
    try:
        moment = datetime.fromisoformat(created)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _lines(outdated: Mapping[str, FoundRecord]) -> Iterator[str]:
    for origin, reason, advice in (
        ("published", "the runs folder has a newer result", "; `harness publish` replaces them"),
        ("run", "the published result is newer, or the run failed", ""),
    ):
        names = [name_of(found.record)[0] for found in outdated.values() if found.origin == origin]
        if names:
            records = f"{len(names)} {origin} {'record is' if len(names) == 1 else 'records are'}"
            yield (
                f"{records} not current: of the same key, {reason}: {listed(names)}. "
                f"Both stand in the table, told apart by `origin` and `is_current`{advice}"
            )
