"""Stage 4, features: of each image set what the metrics ask for, extracted in one pass, kept, and shared by all of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path

import numpy as np

from harness.board.columns import Column
from harness.board.components import Resolved
from harness.components import Dataset, Extractor
from harness.features import MOMENTS, FeatureSet, Moments
from harness.images.extraction import BATCH, Extraction
from harness.images.sets import ImageSet
from harness.interfaces import Batch, FeatureExtractor
from harness.stages import context
from harness.stages.context import Context
from harness.store import outputs
from harness.store.files import storage
from harness.store.keys import digest
from harness.store.lease import lease
from harness.store.outputs import Output

Images = tuple[ImageSet, Mapping[str, object]]
"""A set, and what tells it from all others: the hash of samples, or a dataset's fingerprint and which of its images."""


def identity(resolved: Resolved[Extractor], at: Context) -> dict[str, object]:
    """What a key must contain of an extractor: features under another of these are other features."""
    built = context.extractor(resolved, at.device)
    return {
        "extractor": resolved.identity,
        "weights_sha256": built.weights_sha256,
        "preprocessing": built.preprocessing,
    }


def of(
    images: ImageSet, source: Mapping[str, object], needs: Collection[str], resolved: Resolved[Extractor], at: Context, *,
    batch: int = BATCH,
) -> FeatureSet:  # fmt: skip
    """Features of a set, found where they were made before, by this or another process.

    Args:
        source: tells this set from all others, see `Images`.
        needs: names out of FEATURE_NEEDS; what is missing of them is made in one pass.
        batch: images at once; features hang on it by rounding only, and it is no part of their key.
    """
    extractor = context.extractor(resolved, at.device)
    key = digest(stage="features", images=dict(source), n=images.n, **identity(resolved, at))
    known = at.feature_sets.get(key)
    if known is not None and set(needs) <= {*known.moments_by_need, *known.rows_by_need}:
        return known
    keys = {need: digest(stage="features", set=key, need=need) for need in sorted(needs)}
    with lease(at.layout.lease("features", key), wait=True):
        found = {need: outputs.find(at.layout, "features", one) for need, one in keys.items()}
        missing = [need for need, output in found.items() if output is None]
        if missing:
            found |= _make(images, missing, keys, extractor, at, at.layout.work("features", key), batch)
    features = _read(images.name, images.n, {need: output for need, output in found.items() if output is not None})
    at.remember_features(key, features)
    return features


def in_memory(x: Batch, name: str, needs: Collection[str], resolved: Resolved[Extractor], at: Context) -> FeatureSet:
    """Features of generated examples that nobody will ask for again."""
    images = _of_batch(x, name)
    extractor = context.extractor(resolved, at.device)
    return Extraction(extractor, needs, at.device).run(images.batches(BATCH), images.n, name=name)


def _of_batch(batch: Batch, name: str) -> ImageSet:
    return ImageSet.of_floats(name, len(batch), tuple(batch.x.shape[1:]), lambda start, end: batch.x[start:end])


def shared_needs(own: Column, columns: Iterable[Column]) -> tuple[set[str], set[str]]:
    """What all columns with the extractor of one of them need of generated and of real images."""
    assert own.extractor is not None
    generated: set[str] = set()
    real: set[str] = set()
    for column in columns:
        if column.extractor is not None and column.extractor.identity == own.extractor.identity:
            generated |= column.metric.component.needs_features
            real |= column.metric.component.real_needs
    return generated, real


def real_images(resolved: Resolved[Dataset], draw: int | None, n: int, at: Context) -> Images:
    """Evaluation draw `draw` of a dataset, or its first n training images where that is None; and what tells it from others.

    The images are made when the first batch is asked for: features that are there already cost no image.
    """
    source = context.dataset(resolved)
    made: list[Batch] = []

    def whole() -> Batch:
        if not made:
            made.append(context.training_data(source, at.device)[:n].to("cpu") if draw is None else source.evaluation(draw, n))
        return made[0]

    name = f"{resolved.name}, {'training images' if draw is None else f'evaluation draw {draw}'}"
    count = n if draw is not None else min(n, len(context.training_data(source, at.device)))
    which = {
        "dataset": resolved.identity,
        "fingerprint": source.fingerprint,
        "draw": "train" if draw is None else draw,
    }
    return ImageSet.of_floats(name, count, source.spec.shape, lambda start, end: whole().x[start:end]), which


def _make(
    images: ImageSet, needs: list[str], keys: Mapping[str, str], extractor: FeatureExtractor, at: Context, work: Path, batch: int
) -> dict[str, Output | None]:
    shutil.rmtree(work, ignore_errors=True)
    with storage(work):
        work.mkdir(parents=True)
    try:
        extraction = Extraction(
            extractor, needs, at.device, folder=work, on_progress=lambda done: at.reporter.step(done, images.n, {})
        )
        made = extraction.run(images.batches(batch), images.n, name=images.name)
        return {need: outputs.once(at.layout, "features", keys[need], _keeper(need, made, work)) for need in needs}
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _keeper(need: str, made: FeatureSet, work: Path) -> Callable[[Path], Mapping[str, object]]:
    def keep(folder: Path) -> dict[str, object]:
        with storage(folder):
            if need in MOMENTS:
                moments = made.moments(need)
                np.savez(folder / f"{need}.npz", mean=moments.mean, covariance=moments.covariance)
            else:
                rows = made.rows(need)
                assert isinstance(rows, np.memmap)
                rows.flush()
                shutil.move(work / f"{need}.npy", folder / f"{need}.npy")
        return {"n": made.n}

    return keep


def _read(name: str, n: int, outputs: Mapping[str, Output]) -> FeatureSet:
    moments, rows = {}, {}
    for need, output in outputs.items():
        if need in MOMENTS:
            with np.load(output.folder / f"{need}.npz", allow_pickle=False) as stored:
                moments[need] = Moments(n, stored["mean"], stored["covariance"])
        else:
            rows[need] = np.load(output.folder / f"{need}.npy", mmap_mode="r", allow_pickle=False)
    return FeatureSet(name, n, moments, rows)
