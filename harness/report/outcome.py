"""What a page needs of a record: a twentieth of its memory, read by several processes where there are many."""

from __future__ import annotations

import gc
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from harness.store.records import SCHEMA, Status, load_record, verified

MANY = 5_000
"""Records from which on more processes pay for their start."""
CHUNK = 1_000
LARGEST_POOL = 8


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a cell ended. Plain values only: they go from process to process many times faster than models do.

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
    nfe: float
    images_seen: int
    network_evaluations: int
    seconds_finetune: float
    seconds_sample: float
    peak_memory_bytes: int
    parameters: int
    samples_sha256: str
    dataset_fingerprint: str
    environment: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Outcome:
        """Of a record's fields, as they stand in its file."""
        costs = fields["costs"]
        metrics = {name: measured for name, measured in fields["metrics"].items() if measured["values"]}
        return cls(
            cell=f"{fields['base']}/{fields['method']}/s{fields['seed']}",
            key=fields["key"],
            is_smoke=fields["is_smoke"],
            status=fields["status"],
            reason=fields["reason"],
            means={name: mean(measured["values"]) for name, measured in metrics.items()},
            seconds_metrics=math.fsum([measured["seconds"] for measured in metrics.values()]),
            curve=tuple([(point["images"], point["value"]) for point in fields["curve"]]),
            nfe=costs["nfe"],
            images_seen=costs["images_seen"],
            network_evaluations=costs["network_evaluations"],
            seconds_finetune=costs["seconds_finetune"],
            seconds_sample=costs["seconds_sample"],
            peak_memory_bytes=costs["peak_memory_bytes"],
            parameters=fields["parameters"],
            samples_sha256=fields["samples_sha256"],
            dataset_fingerprint=fields["dataset_fingerprint"],
            environment=tuple([(key, str(value)) for key, value in fields["environment"].items()]),
        )


def mean(values: Sequence[float]) -> float:
    """The mean of at least one value, rounded once: the same on every machine, which plots are checked by."""
    # The functions of `statistics` are as exact and many times slower; rows of 10,000 seeds exist.
    return math.fsum(values) / len(values)


def load_outcome(path: Path) -> Outcome:
    """Of one record. Raises: UserError as `load_record`."""
    fields = from_json(verified(path))
    try:
        # The checksum says that a harness wrote this, so it was valid then: checking it again would take twice as long.
        if fields["schema_version"] == SCHEMA:
            return Outcome.of(fields)
    except (KeyError, TypeError, AttributeError):
        pass  # of an older harness, or no record of a cell: the slow way fills in defaults or says what is wrong
    return Outcome.of(load_record(path).model_dump(mode="json"))


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
            outcome = load_outcome(folder / name)
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
