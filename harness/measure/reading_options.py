"""How the user wants sources to be read, and a fault for each option that had no effect."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.errors import Faults
from harness.measure.image_source import ImageSource

RANGE, IMAGES, AS_IMAGES = "--range", "--images", "--as-images"


@dataclass(frozen=True)
class ReadingOptions:
    """How sources are read.

    Args:
        images: how many images to take of a dataset; None takes all that the dataset gives.
        value_range: what floats in arrays mean, out of `harness.images.arrays.RANGES`.
        as_images: take the images of a file that has statistics too.
    """

    images: int | None = None
    value_range: str | None = None
    as_images: bool = False

    def check_used(self, sources: Sequence[ImageSource]) -> None:
        """Refuse options that had no effect, because the user expects that they change the numbers.

        Raises: Faults for every option that was given and concerns none of the sources.
        """
        used = {option for source in sources for option in source.options_used}
        kinds = "; ".join(dict.fromkeys(f"{source.name} is a {source.kind}" for source in sources))
        faults = [
            f"{written} is only for {purpose}, and here is none: {kinds}. Leave {option} out"
            for option, written, purpose in self._given()
            if option not in used
        ]
        if faults:
            raise Faults(faults)

    def _given(self) -> Iterator[tuple[str, str, str]]:
        """Name, text and purpose of each option that the user gave."""
        if self.value_range is not None:
            yield RANGE, f"{RANGE} {self.value_range}", "floats, in an .npz or .npy"
        if self.images is not None:
            yield IMAGES, f"{IMAGES} {self.images}", "a dataset"
        if self.as_images:
            yield AS_IMAGES, AS_IMAGES, "an .npz, which may have statistics and images"
