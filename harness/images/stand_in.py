"""The random features that a smoke run takes in the place of an extractor with files. Importing this module costs no torch."""

from __future__ import annotations

from dataclasses import replace

from pydantic import Field, PositiveInt

from harness.components import Extractor
from harness.config import Config

LARGEST = 64
"""Features of a stand-in, at most: the distance of two sets of 2,048 features takes seconds, of 64 milliseconds."""
BUILD = "harness.images.random_features:RandomFeatures"


class StandInConfig(Config):
    """Settings of random features."""

    outputs: dict[str, PositiveInt] = Field({"features": LARGEST}, description="dimension of each output, by name")


def stand_in(extractor: Extractor) -> Extractor:
    """Return an extractor of this name, with fewer of these outputs, that needs no file: its features mean nothing."""
    outputs = {name: min(size, LARGEST) for name, size in extractor.outputs.items()}
    own = replace(extractor, build=BUILD, config=StandInConfig, check_ready="", files="", smoke={}, shrink=None, packages={})
    return replace(own, outputs=outputs)


def is_stand_in(extractor: Extractor) -> bool:
    """Return whether an extractor stands in for one with files."""
    return extractor.build == BUILD
