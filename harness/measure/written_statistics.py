"""Writing the statistics of a measured set, so that they serve as a reference later."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import harness
from harness.features import FeatureSet
from harness.images.statistics_files import Metadata, write
from harness.measure.image_source import ImagesIdentity, ImageSource
from harness.store.files import missing_folder
from harness.store.records import ExtractorFacts


def target_faults(path: Path) -> Iterator[str]:
    """Say why statistics cannot be written to a path; give nothing when they can.

    A file that is there may be hours of somebody's work, and is never replaced.
    """
    where = f"--write-statistics {path}"
    if path.suffix.lower() != ".npz":
        yield f"{where}: the file to write ends in .npz"
    elif os.path.lexists(path):
        yield f"{where}: is there already, and is not overwritten; remove it or name another file"
    elif not path.parent.is_dir():
        yield f"{where}: {missing_folder(path.parent)}"
    elif not os.access(path.parent, os.W_OK | os.X_OK):
        yield f"{where}: the folder {path.parent} is not writable; change its permissions or name another folder"


def write_statistics(
    path: Path, features: FeatureSet, source: ImageSource, identity: ImagesIdentity, extractor: ExtractorFacts
) -> None:
    """Write mean and covariance of a set's features, and what the set is. Raises: StorageError when the disk refuses."""
    assert source.images is not None, "a plan writes statistics of images only"
    pixels = identity.get("pixels") or identity.get("fingerprint") or identity.get("generated")
    metadata = Metadata(
        n=source.images.n,
        source=source.name,
        split=source.split,
        pixels=str(pixels),
        shape=source.images.shape,
        extractor=extractor,
        harness_version=harness.__version__,
    )
    write(path, features.moments_by_need, metadata)
