"""How features are extracted, as a board says it. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.process.inference_precision import FULL, Precision

BATCH = 250
"""The number of images that go through an extractor at once, by default. It bounds the memory, whatever the size of the set."""


@dataclass(frozen=True)
class ExtractionSettings:
    """How the images of a set go through an extractor.

    Args:
        precision: in which the extractor computes.
        batch: images at once. Features depend on it by rounding only, so it is no part of their key.
        batch_setting: the setting that gives `batch`, as a user writes it, for messages.
    """

    precision: Precision = FULL
    batch: int = BATCH
    batch_setting: str = "evaluation: extraction_batch"

    @property
    def identity(self) -> Mapping[str, str]:
        """The settings that features depend on, as keys hold them; the default precision is left out."""
        return {} if self.precision == FULL else {"precision": self.precision}


DEFAULT = ExtractionSettings()
