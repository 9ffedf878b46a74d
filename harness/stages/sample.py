"""Stage 3, sample: draw the generated sets, one for each evaluation draw."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from harness.board.bases import Examples
from harness.board.cells import Cell
from harness.errors import Diverged, UserError
from harness.sampling import drawing
from harness.sampling.drawing import DrawnSamples
from harness.stages import base as base_stage
from harness.stages import draws, renewal, sources
from harness.stages.checked import CheckedSource
from harness.stages.context import Context
from harness.stages.example_sets import SAMPLES
from harness.stages.facts import FinetuneFacts, SampleFacts
from harness.stages.prepare import BaseSampler
from harness.store import outputs
from harness.store.outputs import Output
from harness.store.records import SourceFacts
from harness.weights import state_dicts

EXPLODED = 100.0
"""Samples whose root mean square is this many times the training data's have exploded: no metric says more than that."""

DrawSet = Callable[[int], DrawnSamples]
"""Make the set of an evaluation draw, given the draw's number."""


@dataclass(frozen=True)
class Samples:
    """The sample sets of a cell.

    Args:
        output: the sets, in the file `SAMPLES`; see `harness.stages.facts.SampleFacts`.
        preparation: what the sampler keeps of the base; see `harness.stages.facts.PreparationFacts`. None where the sampler
            needs no preparation.
    """

    output: Output
    preparation: Output | None = None


def run(cell: Cell, finetuned: Output, source: CheckedSource, context: Context) -> Samples:
    """Draw the cell's samples from fine-tuned weights, unless they are there.

    Args:
        source: the board's dataset.
    Raises: Diverged for samples that are not finite, or far larger than the training data.
    """
    sampler = BaseSampler(cell.base, source, context, cell.row.network_sampler)
    own = sources.of(cell.base.network.model, cell.base.dataset)

    def made_by() -> list[SourceFacts]:
        return sources.merged(sources.of_facts(finetuned.facts), own, sampler.sources)

    weights = FinetuneFacts.of(finetuned).weights_sha256

    def is_of_other_weights(drawn: Output) -> bool:
        # An older version did not note the weights: its samples stay in use.
        return SampleFacts.of(drawn).weights_sha256 not in ("", weights)

    renewal.set_aside_where(context.runs, "sample", cell.sample_key, is_of_other_weights)
    output = _once(cell, lambda: _from_network(cell, finetuned, sampler, source, context), made_by, context, weights)
    return Samples(output, sampler.preparation)


def run_examples(cell: Cell, examples: Examples, source: CheckedSource, context: Context) -> Samples:
    """Take examples of a dataset in the place of samples, unless they are there.

    Args:
        examples: the origin of the cell's base.
        source: the board's dataset.
    Raises: UserError for examples of another shape than the board's.
    """
    made_by = sources.of(examples.dataset, cell.base.dataset)
    return Samples(_once(cell, lambda: _from_examples(cell, examples, source, context), lambda: made_by, context))


def _once(
    cell: Cell, start: Callable[[], DrawSet], made_by: Callable[[], list[SourceFacts]], context: Context, weights: str = ""
) -> Output:
    """Draw all sets, unless they are there. weights: hash of the weights that draw; empty for examples."""
    context.reporter.stage("sample")

    def make(folder: Path) -> dict[str, object]:
        draw_set = start()
        context.reporter.stage("sample")  # `start` may have prepared the sampler
        facts = _draw_all(cell, draw_set, context, folder)
        return facts.model_copy(update={"sources": made_by(), "weights_sha256": weights}).model_dump()

    return outputs.once(context.runs, "sample", cell.sample_key, make, owner=cell.name)


def _draw_all(cell: Cell, draw_set: DrawSet, context: Context, folder: Path) -> SampleFacts:
    tensors: dict[str, Tensor] = {}
    hashes: list[str] = []
    started, evaluations = time.perf_counter(), 0.0
    for draw in range(cell.evaluation.draws):
        drawn = draw_set(draw)
        tensors[f"x.{draw}"] = drawn.batch.x
        if drawn.batch.labels is not None:
            tensors[f"labels.{draw}"] = drawn.batch.labels
        hashes.append(state_dicts.sha256({"x": drawn.batch.x}))
        evaluations += drawn.nfe
        context.reporter.step(draw + 1, cell.evaluation.draws, {})
    state_dicts.save(tensors, folder / SAMPLES)
    return SampleFacts(
        nfe=evaluations / cell.evaluation.draws,
        seconds=time.perf_counter() - started,
        samples_sha256=hashlib.sha256("".join(hashes).encode()).hexdigest(),
        draws_sha256=hashes,
    )


def _from_network(cell: Cell, finetuned: Output, sampler: BaseSampler, source: CheckedSource, context: Context) -> DrawSet:
    network = base_stage.load(cell.base, finetuned, source, context)
    ready = sampler.ready

    def draw_set(draw: int) -> DrawnSamples:
        drawn = drawing.draw_decoded(
            ready,
            network,
            source.spec,
            n=cell.evaluation.samples,
            seed=cell.seed,
            purpose=f"evaluation/{draw}",
            batch=cell.evaluation.batch,
            device=context.device,
        )
        _check_size(drawn.batch.x, source)
        return drawn

    return draw_set


def _from_examples(cell: Cell, examples: Examples, source: CheckedSource, context: Context) -> DrawSet:
    stand_in = context.dataset(examples.dataset)
    if stand_in.spec.shape != source.spec.shape:
        raise UserError(
            f"base {cell.base.name}: examples of {stand_in.name} have the shape {stand_in.spec.shape}, "
            f"those of {source.name} {source.spec.shape}"
        )

    def draw_set(draw: int) -> DrawnSamples:
        number, _ = draws.examples_for_samples(cell.seed, draw)
        return DrawnSamples(stand_in.evaluation(number, cell.evaluation.samples), nfe=0.0)

    return draw_set


def _check_size(samples: Tensor, source: CheckedSource) -> None:
    generated, real = _root_mean_square(samples), source.root_mean_square
    if generated > EXPLODED * real:
        raise Diverged(f"samples exploded: root mean square {generated:.3g}, the training data's {real:.3g}")


def _root_mean_square(x: Tensor) -> float:
    return float(torch.sqrt((x.double() ** 2).mean()))
