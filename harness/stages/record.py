"""Stage 6, record: everything that a reader of the table may ask about a cell, in one small file."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.board.bases import Base, Network
from harness.board.cells import Cell
from harness.board.components import Resolved
from harness.components import Component
from harness.process import environment
from harness.store.outputs import Output
from harness.store.records import ComponentFacts, Costs, CurvePoint, ExtractorFacts, Measured, Record, Status, save_record
from harness.store.runs_folder import RunsFolder

_NO_MODEL: Mapping[str, Any] = {
    "parameters": 0, "weights_sha256": "", "images_seen": 0, "steps": 0, "network_evaluations": 0, "seconds": 0.0,
    "curve": [], "selected_images": None,
}  # fmt: skip


def skeleton(cell: Cell, status: Status, reason: str = "", device: str | None = None) -> Record:
    """What is known before any work; for skipped cells that is all. Imports torch only when a device is given."""
    return Record(
        board=cell.board,
        protocol=cell.protocol,
        base=cell.base.name,
        method=cell.method_name,
        seed=cell.seed,
        key=cell.key,
        status=status,
        reason=reason,
        is_smoke=cell.is_smoke,
        model=_facts(cell.base.origin.recorded_model),
        sampler=_facts(cell.base.origin.recorded_sampler).model_copy(update={"formula": _formula(cell.base)}),
        finetuning=_facts(cell.method),
        dataset=_facts(cell.base.dataset),
        pretraining=cell.base.origin.facts,
        training=cell.training.identity if cell.trains else {},
        evaluation=cell.evaluation.model_dump(mode="json"),
        size=cell.row.size,
        environment={} if device is None else environment.describe(device),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def record_path(cell: Cell, layout: RunsFolder) -> Path:
    """Return where the record of the cell's current key is, or is to be."""
    return layout.record(cell.board, cell.name, cell.key)


def save_unrun(cell: Cell, layout: RunsFolder, status: Status, reason: str) -> None:
    """Write the record of a cell that no stage ran: the cell is skipped, or its process died and cannot write the record."""
    save_record(skeleton(cell, status, reason), record_path(cell, layout))


def done(
    cell: Cell,
    base: Output | None,
    finetuned: Output | None,
    sampled: Output,
    metrics: Mapping[str, Measured],
    *,
    prepared: Output | None,
    memory: int,
    device: str,
    fingerprint: str,
    extractors: Mapping[str, ExtractorFacts],
) -> Record:
    """The record of a cell that went through all stages; there is neither base nor weights for data in a model's place."""
    tuned: Mapping[str, Any] = _NO_MODEL if finetuned is None else finetuned.facts
    pretrained: Mapping[str, Any] = _NO_MODEL if base is None else base.facts
    drawn: Mapping[str, Any] = sampled.facts
    preparation: Mapping[str, Any] = {} if prepared is None else prepared.facts
    costs = Costs(
        images_seen=tuned["images_seen"],
        steps=tuned["steps"],
        network_evaluations=tuned["network_evaluations"],
        nfe=drawn["nfe"],
        seconds_finetune=tuned["seconds"],
        seconds_sample=drawn["seconds"],
        peak_memory_bytes=memory,
        seconds_prepare=preparation.get("seconds", 0.0),
        prepare_evaluations=preparation.get("network_evaluations", 0),
    )
    known = skeleton(cell, "done", device=device)
    return known.model_copy(
        update={
            "metrics": dict(metrics),
            "extractors": dict(extractors),
            "curve": [CurvePoint(**point) for point in tuned["curve"]],
            "selected_images": tuned["selected_images"],
            "costs": costs,
            "parameters": pretrained["parameters"],
            "weights_sha256": tuned["weights_sha256"],
            "samples_sha256": drawn["samples_sha256"],
            "base_weights_sha256": pretrained["weights_sha256"],
            "dataset_fingerprint": fingerprint,
        }
    )


def _formula(base: Base) -> str:
    """The formula of the sampler's guidance; empty for a sampler that does not guide, and for a base without a network."""
    if not isinstance(base.origin, Network):
        return ""
    sampler = base.origin.sampler
    return sampler.component.formula(sampler.settings) if sampler.component.formula else ""


def _facts(resolved: Resolved[Component]) -> ComponentFacts:
    return ComponentFacts.model_validate(resolved.identity)
