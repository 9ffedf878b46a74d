"""Read outcomes from files of records, in several processes where there are many records."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import msgspec

from harness.errors import UserError, noted
from harness.report.outcome import Outcome, outcome_of_json, outcome_of_record
from harness.store.records import load_record, verified

POOL_RECORDS = 5_000
"""From this many records on, starting more processes pays."""
CHUNK_RECORDS = 1_000
LARGEST_POOL = 8

_SharedValues = dict[object, object]
"""Values that most records of a board share. Each value is its own key, so that equal values can become one object."""

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(list[Outcome]).decode


def load_outcome(path: Path | str) -> Outcome:
    """Read the outcome in a record's file. Raises: UserError when `load_record` does."""
    # The checksum says that a harness wrote the file, so its content was valid then; checking all of it again takes much longer.
    try:
        outcome = outcome_of_json(verified(path))
        return outcome_of_record(load_record(Path(path))) if outcome is None else outcome
    except (msgspec.ValidationError, ArithmeticError) as error:
        raise UserError(f"{path}: not a Record: {error}") from None


def load_outcomes(folder: Path, names: Sequence[str]) -> Iterator[Outcome]:
    """Read the outcomes in a folder's files, in the order of `names`; the first come while others are still read.

    Raises: UserError when `load_record` does.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    processes = min(cores, LARGEST_POOL)
    if len(names) < POOL_RECORDS or processes < 2:
        yield from _load_chunk(folder, names)
        return
    chunks = [names[start : start + CHUNK_RECORDS] for start in range(0, len(names), CHUNK_RECORDS)]
    shared: _SharedValues = {}
    # Spawned, not forked: a caller may have threads. No pool outlives the iteration.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool, _without_collector():
        for packed in pool.map(_load_packed, [folder] * len(chunks), chunks):
            yield from _share_values(_unpack(packed), shared)


def load_whole_outcomes(folder: Path, names: Sequence[str], faults: list[str]) -> list[Outcome | None]:
    """Read outcomes like `load_outcomes`; None for a file that cannot be read, whose fault is added to `faults`."""
    try:
        return list(load_outcomes(folder, names))
    except UserError:  # one of them: the others are read one by one
        return [_noted_outcome(os.path.join(folder, name), faults) for name in names]


def _noted_outcome(path: str, faults: list[str]) -> Outcome | None:
    with noted(faults):
        return load_outcome(path)
    return None


def _load_packed(folder: Path, names: Sequence[str]) -> bytes:
    return _pack(_load_chunk(folder, names))


def _load_chunk(folder: Path, names: Sequence[str]) -> list[Outcome]:
    with _without_collector():
        return _share_values([load_outcome(os.path.join(folder, name)) for name in names], {})


def _share_values(outcomes: list[Outcome], shared: _SharedValues) -> list[Outcome]:
    """Return the outcomes, with one object for all equal environments, extractors, sources and numbers of draws.

    Most records of a board were made in one environment with one extractor, and those of a row with the same code.
    """
    for outcome in outcomes:
        for name in ("environment", "extractors", "sources", "draws"):
            value = getattr(outcome, name)
            msgspec.structs.force_setattr(outcome, name, shared.setdefault(value, value))
    return outcomes


@contextmanager
def _without_collector() -> Iterator[None]:
    """Switch the garbage collector off: records have no cycles, and looking for cycles takes longer than reading records."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
