"""Files of arrays as sources: images in an .npz or .npy, statistics in an .npz, .pkl or .pt, and an .npz that holds both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from harness.images import arrays
from harness.images.sets import ImageSet
from harness.images.statistics_files import StatisticsFile, recognise
from harness.measure.image_source import ImageSource, identified_as, identified_by_pixels
from harness.measure.reading_options import AS_IMAGES, RANGE, ReadingOptions


def array_source(path: Path, options: ReadingOptions) -> ImageSource:
    """Return the images or the statistics in a file of arrays as a source, or both where the file has both.

    Raises: UserError for a damaged file, for one with neither, and for floats whose range the user did not say.
    """
    statistics = None if options.as_images and path.suffix.lower() == ".npz" else recognise(path)
    if statistics is None:
        images = arrays.images(path, options.value_range)
        identify, used = identified_by_pixels(images), _options_used(path, has_images=True)
        return ImageSource(str(path), f"{path.suffix} array", images, identify, options_used=used)
    return _statistics_source(path, statistics, options)


def _statistics_source(path: Path, statistics: StatisticsFile, options: ReadingOptions) -> ImageSource:
    has_images = path.suffix.lower() == ".npz" and "arr_0" in arrays.stored(path)  # the reference batches of ADM have both
    images = arrays.images(path, options.value_range) if has_images else None
    return ImageSource(
        str(path),
        f"statistics ({statistics.form})",
        images,
        identified_as({}) if images is None else identified_by_pixels(images),
        statistics,
        notes=tuple(_notes(path, statistics, images)),
        options_used=_options_used(path, has_images=has_images),
    )


def _notes(path: Path, statistics: StatisticsFile, images: ImageSet | None) -> Iterator[str]:
    yield f"{path}: statistics, {statistics.form}"
    if images is not None:
        yield f"{path}: moments are the file's own, and rows of features are of its {images.n:,} images"
    if statistics.metadata is None:
        yield f"{path}: does not say which extractor made its statistics, nor of how many images; only their size fits"


def _options_used(path: Path, *, has_images: bool) -> frozenset[str]:
    """The options that decided how the file was read: the range of floats, and for an .npz whether its statistics count."""
    is_float = has_images and arrays.image_array(path).dtype.kind == "f"
    return frozenset({RANGE} if is_float else ()) | frozenset({AS_IMAGES} if path.suffix.lower() == ".npz" else ())
