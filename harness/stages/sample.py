"""Stage 3, sample: draw the generated sets, one for each evaluation draw."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import torch

from harness.board.bases import Examples
from harness.board.cells import Cell
from harness.errors import Diverged, UserError
from harness.indexed import IndexedExamples, read_examples
from harness.interfaces import DataSpec
from harness.process.crew import ALONE, Crew
from harness.sampling import drawing
from harness.sampling.drawing import DrawnSamples
from harness.stages import base as base_stage
from harness.stages import draws, kept_samples, sources
from harness.stages.checked import CheckedSource
from harness.stages.context import Context
from harness.stages.example_sets import SAMPLES
from harness.stages.facts import FinetuneFacts, SampleFacts
from harness.stages.options import JobOptions
from harness.stages.prepare import BaseSampler
from harness.stages.process_cache import MEMBER_CACHE
from harness.stages.sample_file import SampleFile, SampleLayout
from harness.store import outputs
from harness.store.files import remove_folder
from harness.store.keys import digest
from harness.store.outputs import Output
from harness.store.records import SourceFacts
from harness.store.runs_folder import RunsFolder

EXPLODED = 100.0
"""Samples whose root mean square is this many times the training data's have exploded: no metric says more than that."""


class Drawer(NamedTuple):
    """The source of a cell's samples.

    Args:
        draw: draws samples of an evaluation draw, given the draw's number and the numbers of the samples.
        is_labelled: whether the samples have labels.
        crew: the processes that share the chunks.
        helped: a context in which the others can draw.
    """

    draw: Callable[[tuple[int, range]], DrawnSamples]
    is_labelled: bool
    crew: Crew = ALONE
    helped: Callable[[], AbstractContextManager[object]] = nullcontext


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


@dataclass(frozen=True)
class _Weights:
    """The weights that samples are drawn from.

    Args:
        own: hash of the cell's weights; empty for examples of a dataset.
        sampler: knows the weights of the other bases that it calls; None for examples.
    """

    own: str = ""
    sampler: BaseSampler | None = None

    @property
    def called(self) -> dict[str, str]:
        """Hash of the weights of each other base whose network the sampler calls, by the base's key."""
        return {} if self.sampler is None else self.sampler.weights_called

    def are_others(self, drawn: SampleFacts) -> bool:
        """Return whether samples were drawn from other weights. Samples of an older version, which noted none, stay in use."""
        of_own = drawn.weights_sha256 not in ("", self.own)
        return of_own or (self.sampler is not None and self.sampler.calls_other_weights(drawn.called_weights_sha256))


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
    drawn = _Weights(weights, sampler)
    output = _once(cell, source, lambda: _from_network(cell, finetuned, sampler, source, context), made_by, context, drawn)
    return Samples(output, sampler.preparation)


def run_examples(cell: Cell, examples: Examples, source: CheckedSource, context: Context) -> Samples:
    """Take examples of a dataset in the place of samples, unless they are there.

    Args:
        examples: the origin of the cell's base.
        source: the board's dataset.
    Raises: UserError for examples of another shape than the board's.
    """
    made_by = sources.of(examples.dataset, cell.base.dataset)
    return Samples(_once(cell, source, lambda: _from_examples(cell, examples, source, context), lambda: made_by, context))


def _once(
    cell: Cell,
    source: CheckedSource,
    start: Callable[[], Drawer],
    made_by: Callable[[], list[SourceFacts]],
    context: Context,
    weights: _Weights = _Weights(),
) -> Output:
    """Draw all sets, unless they are there."""
    context.reporter.stage("sample")
    are_bytes, work = _are_bytes(cell, source.spec), context.runs.work("sample", cell.sample_key)

    def is_of_no_use(drawn: Output) -> bool:
        facts = SampleFacts.of(drawn)
        # Samples of an older version are floats, which serve every metric.
        return (
            weights.are_others(facts) or (facts.are_bytes and not are_bytes) or kept_samples.lack_features(cell, facts, context)
        )

    def make(folder: Path) -> dict[str, object]:
        drawer = start()
        context.reporter.stage("sample")  # `start` may have prepared the sampler
        code, called = made_by(), weights.called
        drawn_from = {"weights": weights.own, **({"called": called} if called else {})}
        identity = digest(sample=cell.sample_key, **drawn_from, code=sources.as_json(code), device=context.device.type)
        layout = SampleLayout(
            cell.evaluation.draws, cell.evaluation.samples, tuple(source.spec.shape), are_bytes, drawer.is_labelled
        )
        file = SampleFile.open(work, layout, identity)
        with drawer.helped():
            facts = _draw_all(file, cell, drawer, source, context)
        facts = facts.model_copy(update={"sources": code, "weights_sha256": weights.own, "called_weights_sha256": called})
        return _keep(file, folder / SAMPLES, cell, facts, context).model_dump()

    try:
        output = outputs.once(
            context.runs, "sample", cell.sample_key, make, is_outdated=is_of_no_use, resumes=work.is_dir(), owner=cell.name
        )
    except Diverged:
        remove_folder(work)
        raise
    remove_folder(work)
    return output


def _are_bytes(cell: Cell, spec: DataSpec) -> bool:
    """Return whether samples are kept as the bytes that extractors see. Where a column compares the samples themselves, and
    where they are no grey or colour images, they are kept as they were drawn."""
    is_image = spec.preview == "images" and len(spec.shape) == 3 and spec.shape[0] in (1, 3)
    return is_image and all(column.extractor is not None for column in cell.columns)


def _draw_all(file: SampleFile, cell: Cell, drawer: Drawer, source: CheckedSource, context: Context) -> SampleFacts:
    """Draw the chunks that are not in the file. A chunk is a batch of the sampler, so that a resume changes no batch."""
    n, sets, batch = cell.evaluation.samples, cell.evaluation.draws, cell.evaluation.batch
    for draw in range(sets):
        missing = [numbers for numbers in drawing.batches(n, batch) if (draw, numbers.start) not in file.chunks]
        started = time.perf_counter()
        each = drawer.crew.each([(draw, numbers) for numbers in missing], drawer.draw)
        for numbers, drawn in zip(missing, each, strict=True):
            file.add(draw, numbers.start, drawn, time.perf_counter() - started)
            context.reporter.step(len(file.chunks), sets * -(-n // batch), {}, images_per_step=batch)
            started = time.perf_counter()
        if cell.base.has_network and not cell.base.has_random_weights:
            _check_size(file.root_mean_square(draw), source)
    hashes = [file.sha256(draw) for draw in range(sets)]
    return SampleFacts(
        nfe=sum(file.nfe(draw) for draw in range(sets)) / sets,
        seconds=math.fsum(chunk.seconds for chunk in file.chunks.values()),
        samples_sha256=hashlib.sha256("".join(hashes).encode()).hexdigest(),
        draws_sha256=hashes,
        are_bytes=file.layout.is_bytes,
    )


def _keep(file: SampleFile, target: Path, cell: Cell, facts: SampleFacts, context: Context) -> SampleFacts:
    """Write what the cell keeps of its samples. Returns: the facts, which say how many these are where they are not all."""
    count = cell.evaluation.keep_samples
    if count is None or kept_samples.is_of_all(cell):
        file.hand_over(target)
        return facts
    kept_samples.extract(cell, file.path, facts, context)
    hashes = kept_samples.write_first(file, count, target)
    return facts.model_copy(update={"kept": count, "kept_sha256": hashes})


def _from_network(cell: Cell, finetuned: Output, sampler: BaseSampler, source: CheckedSource, context: Context) -> Drawer:
    network = base_stage.load(cell.base, finetuned, source, context)
    ready = sampler.ready

    def draw_chunk(chunk: tuple[int, range]) -> DrawnSamples:
        draw, numbers = chunk
        return drawing.draw_decoded(
            ready,
            network,
            source.spec,
            n=cell.evaluation.samples,
            seed=cell.seed,
            purpose=f"evaluation/{draw}",
            batch=cell.evaluation.batch,
            device=context.device,
            indices=numbers,
            precision=cell.evaluation.sampling_precision,
        )

    def helped() -> AbstractContextManager[object]:
        return context.crew.employ(helper, cell, finetuned, context.runs, context.options)

    return Drawer(draw_chunk, source.spec.classes > 0, context.crew, helped)


def helper(
    crew: Crew, cell: Cell, finetuned: Output, runs: RunsFolder, options: JobOptions
) -> Callable[[tuple[int, range]], DrawnSamples]:
    """Return a function that draws a chunk, in a process that is not the lead of its job."""
    context = Context(runs, options, cell.name, MEMBER_CACHE, crew=crew)
    source = context.dataset(cell.base.dataset)
    sampler = BaseSampler(cell.base, source, context, cell.row.network_sampler)
    return _from_network(cell, finetuned, sampler, source, context).draw


def _from_examples(cell: Cell, examples: Examples, source: CheckedSource, context: Context) -> Drawer:
    stand_in = context.dataset(examples.dataset)
    if stand_in.spec.shape != source.spec.shape:
        raise UserError(
            f"base {cell.base.name}: examples of {stand_in.name} have the shape {stand_in.spec.shape}, "
            f"those of {source.name} {source.spec.shape}"
        )

    @lru_cache(1)
    def draw_set(draw: int) -> IndexedExamples:
        number, _ = draws.examples_for_samples(cell.seed, draw)
        return stand_in.evaluation_set(number, cell.evaluation.samples)

    def draw_chunk(chunk: tuple[int, range]) -> DrawnSamples:
        draw, numbers = chunk
        return DrawnSamples(read_examples(draw_set(draw), torch.arange(numbers.start, numbers.stop)), evaluations=0)

    return Drawer(draw_chunk, stand_in.spec.classes > 0)


def _check_size(generated: float, source: CheckedSource) -> None:
    """Raises: Diverged for samples whose root mean square says that they have exploded."""
    real = source.root_mean_square
    if generated > EXPLODED * real:
        raise Diverged(f"samples exploded: root mean square {generated:.3g}, the training data's {real:.3g}")
