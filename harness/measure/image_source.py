"""A set of images to measure or to compare with, wherever the set comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.images.fingerprint import fingerprint
from harness.images.sets import ImageSet
from harness.images.statistics_files import StatisticsFile
from harness.store.records import SourceFacts

ImagesIdentity = Mapping[str, object]
"""The facts that tell a set of images from all others. Features are stored under these facts.

Images in files have the hash of their pixels (`pixels`). A stored sample set has the hash that its run gave it (`generated`). A
dataset has its settings, its `fingerprint`, and which of its images are taken (`draw`).
"""

OnProgress = Callable[[int], None]
"""Called with the number of images so far."""


@dataclass(frozen=True)
class ImageSource:
    """Images, or statistics of images, or both.

    Args:
        name: the path or name that the user wrote.
        kind: kind of source, for readers: `folder of PNG images`.
        images: None where only statistics are there.
        identify: looks at every image and returns the identity of the set, which is empty where there are no images.
        statistics: statistics in the file; they stand for the set, and its images serve what statistics cannot.
        split: which images of a dataset; empty for everything else.
        notes: remarks that the reader of a number should see.
        notes_of_images: returns further remarks, which are known once every image was read.
        options_used: names of the options of `ReadingOptions` that decided how the source was read.
        sources: the code that makes the images, where the identity leaves it out.
    """

    name: str
    kind: str
    images: ImageSet | None
    identify: Callable[[OnProgress], ImagesIdentity]
    statistics: StatisticsFile | None = None
    split: str = ""
    notes: tuple[str, ...] = ()
    notes_of_images: Callable[[], Iterable[str]] = tuple
    options_used: frozenset[str] = frozenset()
    sources: Sequence[SourceFacts] = ()

    @property
    def n(self) -> int | None:
        """Number of images that stand behind a number; None for statistics in a file that does not say it."""
        if self.statistics is not None:
            return self.statistics.n
        return None if self.images is None else self.images.n


def identified_by_pixels(images: ImageSet) -> Callable[[OnProgress], ImagesIdentity]:
    """Return a function that reads every image and hashes the pixels: for images in files that anybody may have changed."""
    return lambda on_progress: {"pixels": fingerprint(images, on_progress)}


def identified_as(identity: ImagesIdentity) -> Callable[[OnProgress], ImagesIdentity]:
    """Return a function that gives this identity, which is known before the images are read."""
    return lambda _: identity
