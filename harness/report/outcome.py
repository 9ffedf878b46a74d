"""What a page needs of a record: a twentieth of its memory, read by several processes where there are many."""

from __future__ import annotations

import gc
import math
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import msgspec
from msgspec import Struct

from harness.store.record_names import row_name
from harness.store.records import SCHEMA, Status, load_record, verified

MANY = 5_000
"""Records from which on more processes pay for their start."""
CHUNK = 1_000
LARGEST_POOL = 8


Known = dict[object, object]
"""Values that most records of a board have in common, which then are one object."""


class _Measured(Struct):
    """The fields of a record's file that a page needs; the reader skips all others without making objects of them."""

    values: list[float]
    seconds: float


class _Point(Struct):
    images: int
    value: float


class _Extractor(Struct):
    name: str
    weights_sha256: str
    preprocessing: str


class _Costs(Struct):
    images_seen: int
    network_evaluations: int
    nfe: float
    seconds_finetune: float
    seconds_sample: float
    peak_memory_bytes: int


class _Fields(Struct):
    schema_version: int
    base: str
    method: str
    seed: int
    key: str
    status: Status
    reason: str
    is_smoke: bool
    metrics: dict[str, _Measured]
    curve: list[_Point]
    costs: _Costs
    parameters: int
    samples_sha256: str
    base_weights_sha256: str
    dataset_fingerprint: str
    environment: dict[str, object]
    size: int | None = None
    extractors: dict[str, _Extractor] = {}


class Outcome(Struct, frozen=True, array_like=True, gc=False):
    """How a cell ended. Plain values in a fixed order: they go from process to process many times faster than models do.

    Args:
        means, minima: each metric's mean and minimum over the evaluation draws.
        seconds_metrics: of all metrics together.
        curve: (images seen, value).
        environment: the record's, as pairs; equal ones are one object.
        extractors: (name, sha256 of the weights, preprocessing); equal ones are one object.
    """

    cell: str
    key: str
    is_smoke: bool
    status: Status
    reason: str
    means: dict[str, float]
    minima: dict[str, float]
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
    base_weights_sha256: str
    dataset_fingerprint: str
    environment: tuple[tuple[str, str], ...]
    extractors: tuple[tuple[str, str, str], ...]


def _outcome(fields: _Fields) -> Outcome:
    costs = fields.costs
    metrics = {name: measured for name, measured in fields.metrics.items() if measured.values}
    return Outcome(
        cell=f"{row_name(fields.base, fields.method, fields.size)}/s{fields.seed}",
        key=fields.key,
        is_smoke=fields.is_smoke,
        status=fields.status,
        reason=fields.reason,
        means={name: mean(measured.values) for name, measured in metrics.items()},
        minima={name: min(measured.values) for name, measured in metrics.items()},
        seconds_metrics=math.fsum([measured.seconds for measured in metrics.values()]),
        curve=tuple([(point.images, point.value) for point in fields.curve]),
        nfe=costs.nfe,
        images_seen=costs.images_seen,
        network_evaluations=costs.network_evaluations,
        seconds_finetune=costs.seconds_finetune,
        seconds_sample=costs.seconds_sample,
        peak_memory_bytes=costs.peak_memory_bytes,
        parameters=fields.parameters,
        samples_sha256=fields.samples_sha256,
        base_weights_sha256=fields.base_weights_sha256,
        dataset_fingerprint=fields.dataset_fingerprint,
        environment=tuple([(key, str(value)) for key, value in fields.environment.items()]),
        extractors=tuple([(one.name, one.weights_sha256, one.preprocessing) for one in fields.extractors.values()]),
    )


def mean(values: Sequence[float]) -> float:
    """The mean of at least one value, rounded once: the same on every machine, which plots are checked by."""
    # The functions of `statistics` are as exact and many times slower; rows of 10,000 seeds exist.
    return math.fsum(values) / len(values)


# Typed: fields that are not needed are skipped, which is several times faster than making a dictionary of all.
_read_fields = msgspec.json.Decoder(_Fields).decode
_read_outcomes = msgspec.msgpack.Decoder(list[Outcome]).decode
_write_outcomes = msgspec.msgpack.Encoder().encode


def load_outcome(path: Path | str) -> Outcome:
    """Of one record. Raises: UserError as `load_record`."""
    try:
        # The checksum says that a harness wrote this, so it was valid then: checking it all again would take much longer.
        fields = _read_fields(verified(path))
        if fields.schema_version == SCHEMA:
            return _outcome(fields)
    except msgspec.DecodeError:
        pass  # of an older harness, with values that are not finite, or no record of a cell: the slow way tells them apart
    return _outcome(msgspec.convert(load_record(Path(path)).model_dump(mode="json"), _Fields))


def load_outcomes(folder: Path, names: Sequence[str]) -> Iterator[Outcome]:
    """Of the records in a folder, in the order of `names`, while others are still read. Raises: UserError for a damaged one."""
    processes = min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1, LARGEST_POOL)
    if len(names) < MANY or processes < 2:
        yield from _load(folder, names)
        return
    chunks = [names[start : start + CHUNK] for start in range(0, len(names), CHUNK)]
    known: Known = {}
    # Spawned, not forked: a caller may have threads. No pool outlives the iteration.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool, _no_collector():
        for packed in pool.map(_load_packed, [folder] * len(chunks), chunks):
            yield from _share(_read_outcomes(packed), known)


def _load_packed(folder: Path, names: Sequence[str]) -> bytes:
    return _write_outcomes(_load(folder, names))


def _load(folder: Path, names: Sequence[str]) -> list[Outcome]:
    with _no_collector():
        return _share([load_outcome(os.path.join(folder, name)) for name in names], {})


def _share(outcomes: list[Outcome], known: Known) -> list[Outcome]:
    """The same outcomes; most records of a board were made in one environment, with one extractor."""
    for outcome in outcomes:
        for name in ("environment", "extractors"):
            own = getattr(outcome, name)
            msgspec.structs.force_setattr(outcome, name, known.setdefault(own, own))
    return outcomes


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
