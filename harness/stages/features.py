"""Stage 4, features: extract what the metrics need of each image set, in one pass, and keep it for all of them."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from harness.board.columns import Column
from harness.board.components import Resolved
from harness.components import Extractor
from harness.features import MOMENTS, FeatureSet, Moments
from harness.images.extraction import Extraction
from harness.images.extraction_settings import DEFAULT, ExtractionSettings
from harness.images.sets import ImageSet
from harness.interfaces import Batch
from harness.process.crew import ALONE, Crew
from harness.stages import renewal, sources
from harness.stages.context import Context
from harness.stages.example_sets import IdentifiedImages
from harness.stages.extracted_features import ExtractedFeatures
from harness.stages.options import JobOptions
from harness.stages.process_cache import MEMBER_CACHE
from harness.store import outputs
from harness.store.files import scratch_path, storage
from harness.store.keys import digest
from harness.store.lease import lease
from harness.store.outputs import Output
from harness.store.records import ExtractorFacts, SourceFacts
from harness.store.runs_folder import RunsFolder


def extractor_identity(
    extractor: Resolved[Extractor], context: Context, settings: ExtractionSettings = DEFAULT
) -> dict[str, object]:
    """Return the extractor's part of a key. Where any value in it differs, the features count as other features."""
    built = context.extractor(extractor)
    return {
        **settings.identity,
        "extractor": extractor.identity,
        "weights_sha256": built.weights_sha256,
        "preprocessing": built.preprocessing,
    }


def extractor_facts(extractor: Resolved[Extractor], context: Context) -> ExtractorFacts:
    """Return what records hold of an extractor."""
    built = context.extractor(extractor)
    return ExtractorFacts.model_validate(
        {**extractor.identity, "weights_sha256": built.weights_sha256, "preprocessing": built.preprocessing}
    )


def extracted(
    identified: IdentifiedImages,
    needs: Collection[str],
    extractor: Resolved[Extractor],
    context: Context,
    settings: ExtractionSettings = DEFAULT,
) -> FeatureSet:
    """Return `extracted_by_code(…)` without the code."""
    return extracted_by_code(identified, needs, extractor, context, settings).features


def extracted_by_code(
    identified: IdentifiedImages,
    needs: Collection[str],
    extractor: Resolved[Extractor],
    context: Context,
    settings: ExtractionSettings = DEFAULT,
) -> ExtractedFeatures:
    """Return features of a set of images. What this or another process has extracted before is read from the runs folder.

    Args:
        needs: names out of FEATURE_NEEDS; those that are missing are extracted in one pass.
        settings: precision of the extractor, and images at once.
    """
    images = identified.images
    key = _set_key(identified.identity, images.n, extractor, context, settings)
    known = context.feature_sets.find(key)
    if known is not None and set(needs) <= {*known.features.moments_by_need, *known.features.rows_by_need}:
        return known
    made_by = sources.merged(sources.of(extractor), identified.sources)
    keys = {need: digest(stage="features", set=key, need=need) for need in sorted(needs)}
    with lease(context.runs.lease("features", key), wait=True):
        found = {need: outputs.find(context.runs, "features", need_key) for need, need_key in keys.items()}
        kept = {need: output for need, output in found.items() if output is not None}
        if context.makes_anew:
            kept = {need: output for need, output in kept.items() if not renewal.is_of_other_code(output, made_by)}
        if missing := {need: need_key for need, need_key in keys.items() if need not in kept}:
            work = scratch_path(context.runs.work("features", key))  # nobody goes on with it
            kept |= _extract(images, missing, made_by, extractor, context, work, settings)
    kept_code = sources.merged(*(sources.of_facts(output.facts) for output in kept.values()))
    known = ExtractedFeatures(_read(images.name, images.n, kept), kept_code)
    context.feature_sets.keep(key, known)
    return known


def are_stored(
    identity: Mapping[str, object],
    n: int,
    needs: Collection[str],
    extractor: Resolved[Extractor],
    context: Context,
    settings: ExtractionSettings = DEFAULT,
) -> bool:
    """Return whether the features of a set of n images are there, so that they can be had without the images."""
    key = _set_key(identity, n, extractor, context, settings)
    return all(outputs.find(context.runs, "features", digest(stage="features", set=key, need=need)) for need in needs)


def seconds_of_pass(
    identity: Mapping[str, object],
    n: int,
    needs: Collection[str],
    extractor: Resolved[Extractor],
    context: Context,
    settings: ExtractionSettings = DEFAULT,
) -> float | None:
    """Return the seconds that extracting stored features of a set took; None where they are gone, or nobody noted it.

    The features themselves are not read.
    """
    key = _set_key(identity, n, extractor, context, settings)
    stored = [outputs.find_facts(context.runs, "features", digest(stage="features", set=key, need=need)) for need in needs]
    seconds = [None if facts is None else facts.get("seconds") for facts in stored]
    known = [float(value) for value in seconds if isinstance(value, int | float)]
    return max(known) if known and len(known) == len(seconds) else None  # what one pass gave has the same seconds


def _set_key(
    identity: Mapping[str, object], n: int, extractor: Resolved[Extractor], context: Context, settings: ExtractionSettings
) -> str:
    """Return the key of a set of images as an extractor sees it."""
    return digest(stage="features", images=dict(identity), n=n, **extractor_identity(extractor, context, settings))


def extract_batch(
    examples: Batch,
    needs: Collection[str],
    extractor: Resolved[Extractor],
    context: Context,
    settings: ExtractionSettings = DEFAULT,
    *,
    name: str = "the generated samples",
) -> FeatureSet:
    """Return features of examples in memory; nothing is stored. name: name of the examples, for messages."""
    images = ImageSet.of_parts(name, len(examples), tuple(examples.x.shape[1:]), lambda start, end: examples.x[start:end])
    crew = context.crew if len(examples) > settings.batch else ALONE
    extraction = Extraction(context.extractor(extractor), needs, context.device, settings=settings, crew=crew)
    with crew.employ(helper, extractor, tuple(needs), settings, context.runs, context.options):
        return extraction.run(images)


def helper(
    crew: Crew,
    extractor: Resolved[Extractor],
    needs: Sequence[str],
    settings: ExtractionSettings,
    runs: RunsFolder,
    options: JobOptions,
) -> Callable[[Tensor], Mapping[str, Tensor]]:
    """Return a function that extracts a batch of images, in a process that is not the lead of its job."""
    context = Context(runs, options, "", MEMBER_CACHE, crew=crew)
    extraction = Extraction(context.extractor(extractor), needs, context.device, settings=settings)
    return lambda pixels: {name: rows.cpu() for name, rows in extraction.outputs_of(pixels).items()}


def shared_needs(extractor: Resolved[Extractor], columns: Iterable[Column]) -> tuple[set[str], set[str]]:
    """Return what all columns with this extractor need of generated images, and of real ones."""
    generated: set[str] = set()
    real: set[str] = set()
    for column in columns:
        if column.extractor is not None and column.extractor.identity == extractor.identity:
            generated |= column.metric.component.needs_features
            real |= column.metric.component.real_needs if column.reference is None else frozenset()
    return generated, real


def _extract(
    images: ImageSet,
    keys: Mapping[str, str],
    made_by: Sequence[SourceFacts],
    extractor: Resolved[Extractor],
    context: Context,
    work: Path,
    settings: ExtractionSettings,
) -> dict[str, Output]:
    """Extract features in one pass and store them.

    Args:
        keys: key of each need.
        made_by: the code of the extractor and of the images.
        work: a scratch folder for rows.
    """
    with storage(work):
        work.mkdir(parents=True)
    started = time.perf_counter()
    crew = context.crew if images.n > settings.batch else ALONE
    try:
        extraction = Extraction(
            context.extractor(extractor),
            list(keys),
            context.device,
            folder=work,
            settings=settings,
            on_progress=lambda done: context.reporter.step(done, images.n, {}, images_per_step=1),
            crew=crew,
        )
        with crew.employ(helper, extractor, tuple(keys), settings, context.runs, context.options):
            made = extraction.run(images)
        facts = {"seconds": time.perf_counter() - started, "sources": sources.as_json(made_by)}
        return {need: context.once("features", key, _writer(need, made, work, facts), made_by) for need, key in keys.items()}
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _writer(need: str, made: FeatureSet, work: Path, facts: Mapping[str, object]) -> Callable[[Path], Mapping[str, object]]:
    """Return a function that writes one of the features of a pass. facts: of the whole pass."""

    def write(folder: Path) -> dict[str, object]:
        with storage(folder):
            if need in MOMENTS:
                moments = made.moments(need)
                np.savez(folder / f"{need}.npz", mean=moments.mean, covariance=moments.covariance)
            else:
                rows = made.rows(need)
                if isinstance(rows, np.memmap):
                    rows.flush()
                shutil.move(work / f"{need}.npy", folder / f"{need}.npy")
        return {"n": made.n, **facts}

    return write


def _read(name: str, n: int, kept: Mapping[str, Output]) -> FeatureSet:
    moments, rows = {}, {}
    for need, output in kept.items():
        if need in MOMENTS:
            with np.load(output.folder / f"{need}.npz", allow_pickle=False) as stored:
                moments[need] = Moments(n, stored["mean"], stored["covariance"])
        else:
            rows[need] = np.load(output.folder / f"{need}.npy", mmap_mode="r", allow_pickle=False)
    return FeatureSet(name, n, moments, rows)
