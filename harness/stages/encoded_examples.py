"""Training data in the form that a network trains on, and the code that encoded them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from harness.indexed import IndexedExamples
from harness.store.records import SourceFacts


class EncodedExamples(NamedTuple):
    """Training data as a job keeps them.

    Args:
        sources: the code that encoded them; empty for data that nothing encodes.
    """

    examples: IndexedExamples
    sources: Sequence[SourceFacts] = ()
