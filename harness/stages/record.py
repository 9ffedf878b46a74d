"""Stage 6, record: everything that a reader of the table may ask about a cell, in one small file. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness.board.cells import Cell
from harness.board.components import Resolved
from harness.components import Component
from harness.process import environment
from harness.stages import sources
from harness.stages.facts import BaseFacts, FinetuneFacts, PreparationFacts, SampleFacts
from harness.store.records import (
    ComponentFacts,
    Costs,
    ExtractorFacts,
    Measured,
    Record,
    ReferenceFacts,
    SourceFacts,
    Status,
    save_record,
)
from harness.store.runs_folder import RunsFolder


@dataclass(frozen=True)
class CellResults:
    """The results of all stages of a cell.

    Args:
        base, finetuned: facts of the weights; the defaults where examples stand in the place of samples.
        preparation: facts of the sampler's preparation; the defaults where the sampler needs none.
        extractors: the extractors of the columns by name.
        references: the published statistics that columns compared with, by name.
        sources: the code of everything that had a part in the numbers.
        dataset_fingerprint: of the board's dataset.
        peak_memory_bytes: peak memory over all stages.
        energy_wh, card_memory_bytes: of the card over all stages; None where it does not tell them.
        device: type of the device: "cpu" or "cuda"; devices: how many were used side by side.
        extraction: how many generated images went through extractors, and the seconds; None where that is not known.
        unsealed: stages whose facts nothing vouches for, because an older version made their outputs.
    """

    base: BaseFacts
    finetuned: FinetuneFacts
    samples: SampleFacts
    preparation: PreparationFacts
    metrics: Mapping[str, Measured]
    extractors: Mapping[str, ExtractorFacts]
    references: Mapping[str, ReferenceFacts]
    sources: Sequence[SourceFacts]
    dataset_fingerprint: str
    peak_memory_bytes: int
    device: str
    unsealed: Sequence[str] = ()
    extraction: tuple[int, float] | None = None
    energy_wh: float | None = None
    card_memory_bytes: int | None = None
    devices: int = 1


def record_path(cell: Cell, runs: RunsFolder) -> Path:
    """Return where the record of the cell's current key is, or is to be."""
    return runs.record(cell.board, cell.name, cell.key)


def save_unrun(cell: Cell, runs: RunsFolder, status: Status, reason: str) -> None:
    """Write the record of a cell that no stage ran: the cell is skipped, or its process died and cannot write the record."""
    save_record(unmeasured(cell, status, reason), record_path(cell, runs))


def unmeasured(cell: Cell, status: Status, reason: str = "", device: str | None = None, *, devices: int = 1) -> Record:
    """Return a record with what is known of the cell before any work.

    Args:
        device: type of the device that was used; None for a cell that no process worked on. A device imports torch.
        devices: how many devices were used side by side.
    """
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
        sampler=_facts(cell.row.sampler).model_copy(update={"formula": _guidance_formula(cell)}),
        training_sampler=_training_sampler(cell),
        finetuning=_facts(cell.method),
        dataset=_facts(cell.base.dataset),
        pretraining=cell.base.origin.facts,
        training=cell.training.identity if cell.trains else {},
        evaluation=cell.evaluation.model_dump(mode="json", exclude_none=True),
        size=cell.row.size,
        sampler_name=cell.row.sampler_name,
        environment={} if device is None else environment.describe(device, devices),
        sources=[] if device is None else sources.of(*cell.components),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def done(cell: Cell, results: CellResults) -> Record:
    """Return the record of a cell that went through all stages."""
    base, finetuned, samples = results.base, results.finetuned, results.samples
    return unmeasured(cell, "done", device=results.device, devices=results.devices).model_copy(
        update={
            "metrics": dict(results.metrics),
            "extractors": dict(results.extractors),
            "references": dict(results.references),
            "curve": finetuned.curve,
            "selected_images": finetuned.selected_images,
            "costs": _costs(results),
            "parameters": base.parameters,
            "weights_read": base.weights_read,
            "weights_sha256": finetuned.weights_sha256,
            "samples_sha256": samples.samples_sha256,
            "base_weights_sha256": base.weights_sha256,
            "called_weights_sha256": _weights_called(cell, finetuned, samples),
            "dataset_fingerprint": results.dataset_fingerprint,
            "sources": list(results.sources),
            "unsealed": list(results.unsealed),
        }
    )


def _weights_called(cell: Cell, finetuned: FinetuneFacts, samples: SampleFacts) -> dict[str, str]:
    in_training = finetuned.base_weights_sha256 or {}
    return {key: sha256 for key, sha256 in in_training.items() if key != cell.base.key} | samples.called_weights_sha256


def _costs(results: CellResults) -> Costs:
    finetuned, samples, preparation = results.finetuned, results.samples, results.preparation
    images_extracted, seconds_extract = results.extraction or (None, None)
    return Costs(
        images_seen=finetuned.images_seen,
        steps=finetuned.steps,
        network_evaluations=finetuned.network_evaluations,
        forward_evaluations=finetuned.forward_evaluations,
        backward_evaluations=finetuned.backward_evaluations,
        selection_evaluations=finetuned.selection_evaluations,
        nfe=samples.nfe,
        seconds_finetune=finetuned.seconds,
        seconds_sample=samples.seconds,
        peak_memory_bytes=results.peak_memory_bytes,
        seconds_prepare=preparation.seconds,
        prepare_evaluations=preparation.network_evaluations,
        energy_wh=results.energy_wh,
        card_memory_bytes=results.card_memory_bytes,
        seconds_steps=finetuned.seconds_steps,
        images_extracted=images_extracted,
        seconds_extract=seconds_extract,
    )


def _training_sampler(cell: Cell) -> ComponentFacts | None:
    """Return the sampler that drew in training, where another one draws what is measured; else None."""
    if cell.row.sampled_with is None or not cell.trains:
        return None
    return _facts(cell.base.origin.recorded_sampler)


def _guidance_formula(cell: Cell) -> str:
    """Return the formula of guidance; "" for a sampler that does not guide, and for a base of examples."""
    if not cell.base.has_network:
        return ""
    sampler = cell.row.network_sampler
    return sampler.component.formula(sampler.settings) if sampler.component.formula else ""


def _facts(resolved: Resolved[Component]) -> ComponentFacts:
    return ComponentFacts.model_validate(resolved.identity)
