"""Read the part of a record that states of cells need, many times faster than the record itself.

The checksum says that a harness wrote the file, so that its content was valid then. What the fast way does not take as it is, a
newer version's file for example, is read in the usual way, which says what is wrong. Imports no torch.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct

from harness.board.cells import Cell
from harness.stages.current_records import check_draws, check_is_of, check_values, current_record, draws_of
from harness.stages.record import record_path
from harness.store.record_names import row_name
from harness.store.records import SCHEMA, AbsentRecord, SourceFacts, Status, UnreadableRecord, verified
from harness.store.runs_folder import RunsFolder


class _Measured(Struct):
    values: list[float]
    seconds: float = 0.0
    also: dict[str, list[float]] = {}


class _Costs(Struct):
    seconds_finetune: float = 0.0
    seconds_sample: float = 0.0


class _Source(Struct, frozen=True):
    component: str
    distribution: str = ""
    version: str = ""
    commit: str = ""
    sha256: str = ""


class _Fields(Struct):
    schema_version: int
    base: str
    method: str
    seed: int
    key: str
    status: Status
    metrics: dict[str, _Measured] = {}
    reason: str = ""
    size: int | None = None
    sampler_name: str | None = None
    costs: _Costs = msgspec.field(default_factory=_Costs)
    sources: tuple[_Source, ...] = ()


class BriefRecord(Struct, frozen=True):
    """The part of a record that says how its cell stands.

    Args:
        seconds: what the cell took: fine-tuning, sampling and measuring.
        sources: the code that made it; equal ones of several records are one object.
    """

    status: Status
    reason: str
    seconds: float
    sources: tuple[SourceFacts, ...]


_decode = msgspec.json.Decoder(_Fields).decode
_shared: dict[tuple[_Source, ...], tuple[SourceFacts, ...]] = {}


def brief_record(cell: Cell, runs: RunsFolder, path: Path | None = None) -> BriefRecord | None:
    """Return what `harness.stages.current_records.current_record` returns, in brief. Raises: see there.

    Args:
        path: of the record, where the caller has it already.
    """
    path = path or record_path(cell, runs)
    try:
        fields = _decode(verified(path))
        if fields.schema_version <= SCHEMA:
            name = f"{row_name(fields.base, fields.method, fields.size, fields.sampler_name)}/s{fields.seed}"
            check_is_of(path, cell.name, cell.key, name=name, key=fields.key)
            if fields.status == "done":
                draws = {name: draws_of(each.values, each.also) for name, each in fields.metrics.items()}
                check_draws(path, cell.columns, draws)
            check_values(path, cell.columns, ((name, measured.values) for name, measured in fields.metrics.items()))
            return _brief(fields)
    except AbsentRecord:
        return None
    except UnreadableRecord:
        raise
    except Exception:
        pass  # the usual way below says what is wrong
    record = current_record(cell, runs)
    if record is None:
        return None
    return _brief(msgspec.convert(record.model_dump(), _Fields))


def _brief(fields: _Fields) -> BriefRecord:
    if fields.sources not in _shared:
        _shared[fields.sources] = tuple(
            SourceFacts(
                component=source.component, distribution=source.distribution, version=source.version,
                commit=source.commit, sha256=source.sha256,
            )
            for source in fields.sources
        )  # fmt: skip
    costs = fields.costs
    seconds = costs.seconds_finetune + costs.seconds_sample + sum(measured.seconds for measured in fields.metrics.values())
    return BriefRecord(fields.status, fields.reason, seconds, _shared[fields.sources])
