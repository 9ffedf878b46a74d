"""Objects that take long to make, which all jobs of one process share: datasets, encoded training data, extractors."""

from __future__ import annotations

import json
from collections.abc import Callable

import torch

from harness.board.components import Resolved
from harness.components import Dataset, Extractor
from harness.interfaces import FeatureExtractor
from harness.stages.checked import CheckedSource
from harness.stages.encoded_examples import EncodedExamples
from harness.stages.most_recent import MostRecent

DATASETS = 4
"""Datasets in memory: a board has one, and a board of examples compares it with several others, one after the other."""
ENCODED_SETS = 4
"""Sets of encoded training data: each is read from its file, or kept on a device where a training asks for it."""
EXTRACTORS = 4
"""Extractors in memory: the columns of a board share a few. Inception takes 100 MB."""


class ProcessCache:
    """Datasets, encoded training data and extractors. Each is kept after use, and the least recently used go.

    The stages of a job share one such object, so that a job builds its dataset once; so do all jobs of one process where an
    executor runs several in one.
    """

    def __init__(self) -> None:
        self._datasets: MostRecent[str, CheckedSource] = MostRecent(DATASETS)
        self._encoded: MostRecent[str, EncodedExamples] = MostRecent(ENCODED_SETS)
        self._extractors: MostRecent[tuple[str, torch.device], FeatureExtractor] = MostRecent(EXTRACTORS)

    def dataset(self, dataset: Resolved[Dataset]) -> CheckedSource:
        """Return the dataset, whose batches are checked when they are read."""

        def build() -> CheckedSource:
            return CheckedSource(dataset, dataset.component.create(dataset.settings))

        return self._datasets.get(_key(dataset), build)

    def encoded(self, key: str, make: Callable[[], EncodedExamples]) -> EncodedExamples:
        """Return encoded training data, made by `make` if they are not here. key: of the stage's output and of their place."""
        return self._encoded.get(key, make)

    def extractor(self, extractor: Resolved[Extractor], device: torch.device) -> FeatureExtractor:
        """Return the extractor, frozen and on the device. Raises: UserError when its weights are absent."""

        def build() -> FeatureExtractor:
            extractor.component.check_readiness(extractor.settings)
            with torch.random.fork_rng(devices=[]):
                built = extractor.component.create(extractor.settings)
            if isinstance(built, torch.nn.Module):
                built.to(device).eval().requires_grad_(False)
            return built

        return self._extractors.get((_key(extractor), device), build)


MEMBER_CACHE = ProcessCache()
"""What is shared by all work of a process that is not the lead of its job."""


def _key(component: Resolved[Dataset] | Resolved[Extractor]) -> str:
    return json.dumps(component.identity, sort_keys=True)
