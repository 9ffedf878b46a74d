"""An outcome: the part of a cell's record that pages and plots need, in a twentieth of the memory."""

from __future__ import annotations

import math
from typing import Annotated

import msgspec
from msgspec import Struct

from harness.report.scores import mean, variance
from harness.stages.current_records import draws_of
from harness.store.record_names import row_name
from harness.store.records import SCHEMA, Record, Status

Count = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
Cost = Annotated[float, msgspec.Meta(ge=0, le=1e300)]
"""A time or a number of evaluations. The limit keeps sums finite."""


class _Measured(Struct):
    """The parts of a record's JSON that pages need; the decoder skips all others without making objects of them."""

    values: list[float]
    seconds: Cost
    also: dict[str, list[float]] = {}


class _Point(Struct):
    images: Count
    value: float
    round: Count = 1
    candidate: Count = 1


class _Extractor(Struct):
    name: str
    weights_sha256: str
    preprocessing: str


class _Reference(Struct):
    name: str
    sha256: str


class _Source(Struct):
    component: str
    distribution: str = ""
    version: str = ""
    sha256: str = ""


class _Costs(Struct):
    images_seen: Count
    network_evaluations: Count
    nfe: Cost
    seconds_finetune: Cost
    seconds_sample: Cost
    peak_memory_bytes: Count
    forward_evaluations: Count | None = None
    backward_evaluations: Count | None = None
    selection_evaluations: Count | None = None
    seconds_steps: Cost | None = None
    images_extracted: Count | None = None
    seconds_extract: Cost | None = None


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
    parameters: Count
    samples_sha256: str
    base_weights_sha256: str
    dataset_fingerprint: str
    environment: dict[str, object]
    size: int | None = None
    sampler_name: str | None = None
    extractors: dict[str, _Extractor] = {}
    references: dict[str, _Reference] = {}
    sources: list[_Source] = []
    unsealed: list[str] = []
    called_weights_sha256: dict[str, str] = {}


class Outcome(Struct, frozen=True, array_like=True, gc=False):
    """How a cell ended. Plain values in a fixed order pass between processes many times faster than a `Record` does.

    Args:
        means, minima, maxima: the mean and the extremes over evaluation draws of each metric.
        variances: the sample variance over evaluation draws of each metric that has several.
        draws: (name, numbers of draws) of each metric: of its value, and of each further one that the metric gives beside it.
        seconds_metrics: seconds that all metrics took together.
        curve: (images seen, value) of each point.
        environment: (name, value) of each fact about the machine and its libraries.
        extractors: (name, sha256 of the weights, preprocessing) of each extractor.
        sources: (component, distribution, version, sha256) of the code that made the numbers; empty where a record has none.
        unsealed: stages whose facts nothing vouched for when the record was made.
        forward_evaluations, backward_evaluations, selection_evaluations: the parts of the network evaluations of training:
            without a graph, with one for gradients, and the curve's; None in records of older versions.
        references: (name, sha256 of the file) of each published reference.
        seconds_steps, images_extracted, seconds_extract: see `harness.store.records.Costs`; None in records of older versions.
        places: (round, candidate) of each point of the curve, from 1; empty where all are of the first.
        called_weights: (key of the base, hash) of the weights of each other base whose network a sampler called.
    """

    cell: str
    key: str
    is_smoke: bool
    status: Status
    reason: str
    means: dict[str, float]
    minima: dict[str, float]
    maxima: dict[str, float]
    variances: dict[str, float]
    draws: tuple[tuple[str, tuple[int, ...]], ...]
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
    sources: tuple[tuple[str, str, str, str], ...]
    unsealed: tuple[str, ...] = ()
    forward_evaluations: int | None = None
    backward_evaluations: int | None = None
    selection_evaluations: int | None = None
    references: tuple[tuple[str, str], ...] = ()
    seconds_steps: float | None = None
    images_extracted: int | None = None
    seconds_extract: float | None = None
    places: tuple[tuple[int, int], ...] = ()
    called_weights: tuple[tuple[str, str], ...] = ()

    def weights_of(self, base_key: str, own_base: str) -> str:
        """Return the hash of the weights that a base had for this record; "" where it had no part, or nobody noted it.

        own_base: key of the base that the cell fine-tunes.
        """
        return self.base_weights_sha256 if base_key == own_base else dict(self.called_weights).get(base_key, "")


# A typed decoder skips fields that are not needed, which is several times faster than making a dictionary of all of them.
_decode_fields = msgspec.json.Decoder(_Fields).decode


def outcome_of_json(content: bytes) -> Outcome | None:
    """Decode a record's JSON without checking all of it.

    Returns: None for a record of another schema, a record with values that are not finite, or one that is not a cell's.
        `load_record` says which of these it is. Raises: ArithmeticError for numbers whose sum is beyond all floats.
    """
    try:
        fields = _decode_fields(content)
    except (msgspec.DecodeError, RecursionError):
        return None
    return _outcome(fields) if fields.schema_version == SCHEMA else None


def outcome_of_record(record: Record) -> Outcome:
    """Keep what pages need of a record."""
    return _outcome(msgspec.convert(record.model_dump(mode="json"), _Fields))


def _outcome(fields: _Fields) -> Outcome:
    costs = fields.costs
    metrics = {name: measured for name, measured in fields.metrics.items() if measured.values}
    return Outcome(
        cell=f"{row_name(fields.base, fields.method, fields.size, fields.sampler_name)}/s{fields.seed}",
        key=fields.key,
        is_smoke=fields.is_smoke,
        status=fields.status,
        reason=fields.reason,
        means={name: mean(measured.values) for name, measured in metrics.items()},
        minima={name: min(measured.values) for name, measured in metrics.items()},
        maxima={name: max(measured.values) for name, measured in metrics.items()},
        variances={name: variance(measured.values) for name, measured in metrics.items() if len(measured.values) > 1},
        draws=tuple([(name, draws_of(each.values, each.also)) for name, each in fields.metrics.items()]),
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
        extractors=tuple([(facts.name, facts.weights_sha256, facts.preprocessing) for facts in fields.extractors.values()]),
        sources=tuple([(each.component, each.distribution, each.version, each.sha256) for each in fields.sources]),
        unsealed=tuple(fields.unsealed),
        forward_evaluations=costs.forward_evaluations,
        backward_evaluations=costs.backward_evaluations,
        selection_evaluations=costs.selection_evaluations,
        references=tuple([(facts.name, facts.sha256) for facts in fields.references.values()]),
        seconds_steps=costs.seconds_steps,
        images_extracted=costs.images_extracted,
        seconds_extract=costs.seconds_extract,
        places=_places(fields.curve),
        called_weights=tuple(fields.called_weights_sha256.items()),
    )


def _places(curve: list[_Point]) -> tuple[tuple[int, int], ...]:
    """Return the places of points; none where there is one round of one candidate, as on almost all boards."""
    places = tuple([(point.round, point.candidate) for point in curve])
    return () if set(places) <= {(1, 1)} else places
