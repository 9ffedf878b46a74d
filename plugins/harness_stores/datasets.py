"""The datasets, made of stores; and noise in their place, for smoke runs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.errors import UserError
from harness.images.stores.reading import open_store
from harness.indexed import IndexedSource
from harness.interfaces import DataSpec
from harness.toolkit.store_dataset import Contents, MadeUpDataset, Part, StoreDataset
from harness_stores import ImagesConfig, PublishedConfig
from harness_stores.published import published
from harness_stores.stores import WHERE, Split, check, index_of, split

DEFAULT = DataSpec((3, 32, 32), 0, "images")
"""What the noise of `images` is where no store is named."""


def of_published(config: PublishedConfig) -> IndexedSource:
    """Make a published set. Raises: UserError where its store is absent, damaged, or holds something else."""
    wanted = published(config)
    if config.made_up:
        return _made_up(wanted.spec, config.selection)
    wanted.index(config)
    store = open_store(wanted.folder(config))
    validation = store.part("validation") if wanted.evaluation == "test" and "validation" in wanted.parts else None
    parts = Split(store.part("train"), store.part(wanted.evaluation), validation)
    return _dataset(wanted.name, wanted.spec, Contents(store), parts, config.selection)


def images(config: ImagesConfig) -> IndexedSource:
    """Make the dataset of one or two stores. Raises: UserError where they are absent, damaged, or do not go together."""
    check(config)
    if config.store is None:
        return _made_up(DEFAULT, config.selection)
    index = index_of(config)
    spec = DataSpec(index.shape, len(index.classes), "images")
    if config.made_up:
        return _made_up(spec, config.selection)
    contents, parts = Contents(open_store(config.store.path)), split(index, config)
    held_out = None if config.evaluation is None else _apart(contents, parts, Contents(open_store(config.evaluation.path)))
    dataset = _dataset("images", spec, contents, parts, config.selection, held_out)
    if config.labels == "as-data":
        dataset.spec = replace(spec, class_counts=dataset.class_counts())
    return dataset


def _made_up(spec: DataSpec, selection: int) -> MadeUpDataset:
    return MadeUpDataset(spec, train=256 if max(spec.shape) <= 64 else 64, selection=selection)


def _apart(contents: Contents, parts: Split, others: Contents) -> Part:
    """Return the images of a second store, less those that are among the training images. Raises: UserError where few remain."""
    rows = np.arange(len(others.images))
    kept = rows[~np.isin(others.keys(rows), contents.keys(np.asarray(parts.train)))]
    if len(kept) < 2:
        raise UserError(f"{WHERE}: the images of `evaluation` are training images too; nothing remains to evaluate with")
    return others.part(kept)


def _dataset(
    name: str, spec: DataSpec, contents: Contents, parts: Split, selection: int, held_out: Part | None = None
) -> StoreDataset:
    """Split a store. held_out: the images of a second store. Raises: UserError where there are too few images."""
    train = np.asarray(parts.train, np.int64)
    try:
        if held_out is None:
            train, apart = (train, np.asarray(parts.held_out)) if parts.held_out else contents.set_apart(train, parts.holdout)
            held_out = contents.part(apart)
        if not selection:
            return StoreDataset(name, spec, contents.part(train), held_out)
        if parts.selection is not None:
            _, kept = contents.set_apart(np.asarray(parts.selection), selection)
        else:
            train, kept = contents.set_apart(train, selection)
    except ValueError as error:
        raise UserError(f"dataset {name}: {error}; lower holdout or selection") from None
    return StoreDataset(name, spec, contents.part(train), held_out, contents.part(kept))
