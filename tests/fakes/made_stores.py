"""Stores of images that are in memory, written without a source."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from harness.images.stores.writing import Journal, WrittenShard, finish, write_journal, write_shard


def made_store(folder, pixels, labels=None, *, sizes=None, parts=None, classes=None, source=None):
    """Write a store.

    Args:
        pixels: (n, C, H, W) uint8. labels: (n,) int64, or None.
        sizes: number of images of each shard; by default one shard.
        parts: (name, number of images) of each part; by default one part.
        classes: names of the classes; by default the labels' numbers.
        source: what the index says of the source.
    Returns: the folder.
    """
    folder.mkdir(parents=True)
    journal = Journal(plan={}, shape=pixels.shape[1:])
    write_journal(folder, journal)
    names = [name for name, count in parts or [("all", len(pixels))] for _ in range(count)]
    for number, (first, last) in enumerate(pairwise(np.cumsum([0, *(sizes or [len(pixels)])]).tolist())):
        shard = write_shard(folder, f"{number:05}", pixels[first:last], None if labels is None else labels[first:last])
        counts = {name: names[first:last].count(name) for name in dict.fromkeys(names[first:last])}
        journal = journal.model_copy(update={"written": (*journal.written, WrittenShard(shard=shard, parts=counts))})
    if classes is None:
        classes = [] if labels is None else [str(label) for label in range(int(labels.max()) + 1)]
    finish(folder, journal, classes, source or {"name": "made"})
    return folder
