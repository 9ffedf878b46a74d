"""Folders and zip archives of image files as sources."""

from __future__ import annotations

from collections.abc import Iterator

from harness.images.image_files import ImageFiles
from harness.measure.image_source import ImageSource, identified_by_pixels


def image_files_source(files: ImageFiles, container: str) -> ImageSource:
    """Return image files as a source.

    Args:
        container: what holds the files, `folder` or `zip`.
    Raises: UserError when the first image is damaged; the others are read later.
    """
    images = files.as_set()
    kind = f"{container} of {files.form} images"
    return ImageSource(
        files.name,
        kind,
        images,
        identified_by_pixels(images),
        notes=tuple(_notes(files)),
        notes_of_images=lambda: _notes_of_images(files),
    )


def _notes(files: ImageFiles) -> Iterator[str]:
    if files.ignored:
        yield f"{files.name}: {files.ignored} other files beside the images are ignored"
    if files.links:
        yield f"{files.name}: {files.links} links to folders are not followed, and images behind them not measured"


def _notes_of_images(files: ImageFiles) -> Iterator[str]:
    """Name what viewers of the images apply and other tools that measure do not, so that two tools may be compared."""
    for unapplied, names in sorted(files.unapplied.items()):
        have, their = ("has", "its") if len(names) == 1 else ("have", "their")
        yield (
            f"{files.name}: {len(names)} of {len(files.names)} images {have} {unapplied}, which is not applied ({min(names)}); "
            f"what is measured are {their} pixels as they are stored"
        )
