"""What a page needs of a record: a twentieth of its memory, read by several processes where there are many."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from harness.store.records import Costs, Record, Status, load_record

MANY = 5_000
"""Records from which on more processes pay for their start."""
CHUNK = 1_000
LARGEST_POOL = 8


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a cell ended.

    Args:
        means: each metric's mean over the evaluation draws.
        seconds_metrics: of all metrics together.
        curve: (images seen, value).
        environment: the record's, as pairs; equal ones are one object.
    """

    cell: str
    key: str
    is_smoke: bool
    status: Status
    reason: str
    means: Mapping[str, float]
    seconds_metrics: float
    curve: tuple[tuple[int, float], ...]
    costs: Costs
    parameters: int
    samples_sha256: str
    dataset_fingerprint: str
    environment: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, record: Record) -> Outcome:
        """Of a whole record."""
        return cls(
            cell=record.cell,
            key=record.key,
            is_smoke=record.is_smoke,
            status=record.status,
            reason=record.reason,
            means={name: measured.mean for name, measured in record.metrics.items() if measured.values},
            seconds_metrics=sum(measured.seconds for measured in record.metrics.values()),
            curve=tuple((point.images, point.value) for point in record.curve),
            costs=record.costs,
            parameters=record.parameters,
            samples_sha256=record.samples_sha256,
            dataset_fingerprint=record.dataset_fingerprint,
            environment=tuple((key, str(value)) for key, value in record.environment.items()),
        )


def load_outcomes(folder: Path, names: Sequence[str]) -> list[Outcome]:
    """Of the records in a folder, in the order of `names`. Raises: UserError for a damaged one."""
    processes = min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1, LARGEST_POOL)
    if len(names) < MANY or processes < 2:
        return _load(folder, names)
    chunks = [names[start : start + CHUNK] for start in range(0, len(names), CHUNK)]
    # Spawned, not forked: a caller may have threads. No pool outlives the call.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool, _no_collector():
        return [outcome for part in pool.map(_load, [folder] * len(chunks), chunks) for outcome in part]


def _load(folder: Path, names: Sequence[str]) -> list[Outcome]:
    environments: dict[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]] = {}
    with _no_collector():
        found = []
        for name in names:
            outcome = Outcome.of(load_record(folder / name))
            object.__setattr__(
                outcome, "environment", environments.setdefault(outcome.environment, outcome.environment)
            )
            found.append(outcome)
        return found


@contextmanager
def _no_collector() -> Iterator[None]:
    """Records have no cycles, and looking for some again and again takes longer than reading them."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
