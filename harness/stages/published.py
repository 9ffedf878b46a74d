"""Published statistics of real images as one side of a comparison: the file, checked before it is used."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from harness.board.components import Resolved
from harness.components import Extractor
from harness.errors import UserError
from harness.features import FeatureSet
from harness.references import Reference
from harness.stages.context import Context
from harness.stages.extracted_features import ExtractedFeatures
from harness.stages.features import extractor_facts
from harness.store.keys import digest
from harness.store.records import ReferenceFacts
from harness.weights import cache, found_hashes

if TYPE_CHECKING:
    from harness.images.statistics_files import StatisticsFile


@dataclass(frozen=True)
class PublishedStatistics:
    """The statistics of a reference, whose file stands in the cache folder."""

    reference: Reference

    @cached_property
    def sha256(self) -> str:
        """The hash of the file. Raises: UserError when the file is absent, or not the one that is pinned or came first."""
        file = self.reference.file
        path = cache.path(file)
        if not path.exists():
            raise cache.absent(file, "not here")
        found_hashes.check(file, path)
        return cache.sha256(path)

    @property
    def identity(self) -> dict[str, str]:
        """The values that tell the statistics from all others, for keys."""
        return {"reference": self.reference.name, "sha256": self.sha256}

    @property
    def facts(self) -> ReferenceFacts:
        """The facts about the reference that records hold."""
        reference = self.reference
        return ReferenceFacts(name=reference.name, of=reference.of, images=reference.images, sha256=self.sha256)

    def features(self, extractor: Resolved[Extractor], context: Context) -> ExtractedFeatures:
        """Return the moments that fit the extractor. They stay in memory for the next metric.

        Raises: UserError when the file is absent, another one, damaged, or has no statistics of as many features.
        """
        key = digest(stage="reference", **self.identity, extractor=extractor.identity)
        if (known := context.feature_sets.find(key)) is None:
            known = ExtractedFeatures(self._read(extractor, context), [])
            context.feature_sets.keep(key, known)
        return known

    def check(self) -> None:
        """Raises: UserError when the file is absent, another one, damaged, or has no statistics."""
        _ = self.sha256
        self._statistics()

    def _statistics(self) -> StatisticsFile:
        from harness.images import statistics_files

        path = cache.path(self.reference.file)
        statistics = statistics_files.recognise(path)
        if statistics is None:
            raise UserError(f"{path}: no file of statistics, and the reference {self.reference.name} names one")
        return statistics

    def _read(self, extractor: Resolved[Extractor], context: Context) -> FeatureSet:
        statistics = self._statistics()
        statistics.check_extractor(extractor_facts(extractor, context))
        moments = statistics.moments_for(context.extractor(extractor).outputs)
        return FeatureSet(self.reference.name, self.reference.images, moments)
