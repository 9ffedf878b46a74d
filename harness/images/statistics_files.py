"""Files of feature statistics. The formats of other tools are read without running code. The harness's own format also says which
images and which extractor the statistics were made with."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from harness.errors import UserError
from harness.features import Moments
from harness.images.arrays import StoredArray, stored
from harness.store.files import appearing
from harness.store.records import ExtractorFacts, Part
from harness.weights import pickles, torch_files
from harness.weights.pickles import RefusedPickle

LARGEST = 2**31
"""Bytes of the largest array that is read as a covariance: 16,384 features in float64."""
LARGEST_PICKLE = 2**31
"""Bytes of the largest pickle that is read."""
ASYMMETRY = 1e-5
"""The largest asymmetry of a covariance, relative to its largest entry. Rounding to float32 causes less."""
_NAMES = {"moments": ("mu", "sigma"), "spatial": ("mu_s", "sigma_s")}
"""The names of the arrays of mean and covariance in a file, for each need (`harness.components.FEATURE_NEEDS`). The numbers of
`mu_s` are in the order of ADM's files, for an extractor of ADM's network: row, column, channel."""


class Metadata(Part):
    """The images and the extractor that statistics in the harness's own format were made with.

    Args:
        n: number of images.
        source: the folder, file or dataset of the images, as the user named it.
        split: the part of the dataset that the images are from; empty for other sources.
        pixels: fingerprint of the images, or of the dataset.
        shape: channels, height and width of the images before any resizing.
    """

    n: int
    source: str
    split: str = ""
    pixels: str
    shape: tuple[int, ...]
    extractor: ExtractorFacts
    harness_version: str = ""


@dataclass(frozen=True)
class StoredMoments:
    """Moments in a file, of which only the size has been looked at.

    Args:
        size: number of features.
        load: reads the moments. Raises: UserError for arrays that are damaged, or that cannot be a mean and a covariance.
    """

    size: int
    load: Callable[[], Moments]

    @classmethod
    def of(cls, moments: Moments) -> StoredMoments:
        """Return moments that are in memory already."""
        return cls(len(moments.mean), lambda: moments)


@dataclass(frozen=True)
class StatisticsFile:
    """The statistics in a file.

    Args:
        form: the name of the format, for messages.
        tables: tables of moments by the name that the file gives to the table, then by need: `{"fid": {"moments": …}}`. Most
            formats have one table, whose name is "". Only moments of the right size are ever read.
        metadata: the images and the extractor of the statistics; None where the file does not state them.
    """

    path: Path
    form: str
    tables: Mapping[str, Mapping[str, StoredMoments]]
    metadata: Metadata | None = None

    @property
    def n(self) -> int | None:
        """Number of images; None where the file does not state it."""
        return None if self.metadata is None else self.metadata.n

    def moments_for(self, outputs: Mapping[str, int]) -> Mapping[str, Moments]:
        """Return the moments that fit an extractor, by need (a name out of `harness.components.FEATURE_NEEDS`).

        Args:
            outputs: the size of each of the extractor's outputs, by name.
        Raises: UserError unless exactly one table has as many features as the extractor gives, and for arrays that are damaged or
            cannot be a mean and a covariance.
        """
        sizes = {name: table["moments"].size for name, table in self.tables.items()}
        fitting = [name for name, size in sizes.items() if size == outputs["features"]]
        if len(fitting) != 1:
            contents = " and ".join(f"{f'{name} of ' if name else ''}{size}" for name, size in sizes.items())
            raise UserError(f"{self.path}: holds statistics of {contents} features; the extractor gives {outputs['features']}")
        table = dict(self.tables[fitting[0]])
        if "spatial" in table and table["spatial"].size != outputs.get("spatial"):
            del table["spatial"]  # these moments are of another network
        return {need: moments.load() for need, moments in table.items()}

    def check_extractor(self, used: ExtractorFacts) -> None:
        """Raises: UserError when the file says that another extractor made its statistics."""
        if self.metadata is None:
            return
        self.check_extractor_name(used.name)
        made = self.metadata.extractor
        for what, theirs, ours in (
            ("settings", made.settings, used.settings),
            ("weights of sha256", made.weights_sha256, used.weights_sha256),
            ("preprocessing", made.preprocessing, used.preprocessing),
            ("version", made.version, used.version),
        ):
            if theirs != ours:
                raise UserError(
                    f"{self.path}: its statistics were made by {made.name} with {what} {theirs!r}, and here it has {ours!r}; "
                    "a distance between the two means nothing. Make them again, with --write-statistics"
                )

    def check_extractor_name(self, name: str) -> None:
        """Check the extractor by name alone, before it is built. Raises: UserError when the file names another one."""
        if self.metadata is not None and (made := self.metadata.extractor.name) != name:
            raise UserError(
                f"{self.path}: its statistics were made by the extractor {made}, and this measures with {name}; a distance "
                f"between them means nothing. Measure with --extractor {made}, or make them again, with --write-statistics"
            )


def recognise(path: Path) -> StatisticsFile | None:
    """Return the statistics in a file; None for an .npz without statistics, and for a file with another suffix.

    Suffix and content tell the format. An .npz is in the harness's own format, in that of EDM and clean-fid (`mu`, `sigma`), or
    in that of ADM (also `mu_s`, `sigma_s`). A .pkl is a pickle of EDM2. A .pt or .pth is a cache file of torch-fidelity.
    Raises: UserError for a damaged file, and for a .pkl, .pt or .pth without statistics.
    """
    suffix = path.suffix.lower()
    if suffix == ".npz":
        return _npz(path)
    if suffix == ".pkl":
        return _edm2(path)
    if suffix in (".pt", ".pth"):
        return _torch_fidelity(path)
    return None


def _npz(path: Path) -> StatisticsFile | None:
    arrays = stored(path)
    if not {"mu", "sigma"} <= set(arrays):
        return None
    metadata = _metadata(path, arrays["harness"]) if "harness" in arrays else None
    n = None if metadata is None else metadata.n
    table = {
        need: _moments_in_arrays(path, arrays[mean], arrays[covariance], n)
        for need, (mean, covariance) in _NAMES.items()
        if {mean, covariance} <= set(arrays)
    }
    form = "finetune-harness" if metadata is not None else "ADM's .npz" if "spatial" in table else "an .npz of mu and sigma"
    return StatisticsFile(path, form, {"": table}, metadata)


def _moments_in_arrays(path: Path, mean: StoredArray, covariance: StoredArray, n: int | None) -> StoredMoments:
    """Return moments that are read once, and only when they are asked for: a small .npz can hold a covariance of gigabytes."""
    _check_arrays(path, mean, covariance)

    @cache
    def load() -> Moments:
        return _moments(path, mean.read(largest=LARGEST), covariance.read(largest=LARGEST), n=n)

    return StoredMoments(mean.shape[0], load)


def _metadata(path: Path, array: StoredArray) -> Metadata:
    try:
        return Metadata.model_validate_json(bytes(array.read(largest=2**20)))
    except ValidationError as error:
        raise UserError(f"{path}: what it says about itself is damaged; make the statistics again") from error


def _edm2(path: Path) -> StatisticsFile:
    """Read EDM2's pickle: a table of `mu` and `sigma` for each metric (`fid`, `fd_dinov2`), beside other entries."""
    try:
        content = pickles.load(path, largest=LARGEST_PICKLE)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: no table of reference statistics")
    tables = {
        str(metric): {"moments": _moments_in_table(path, table, f"{metric} has no ")}
        for metric, table in content.items()
        if isinstance(table, dict)
    }
    if not tables:
        raise UserError(f"{path}: no table of reference statistics: it has no table of mu and sigma for a metric")
    return StatisticsFile(path, "EDM2's pickle", tables)


def _torch_fidelity(path: Path) -> StatisticsFile:
    moments = _moments_in_table(path, _torch_table(path), "no statistics: it has no ")
    return StatisticsFile(path, "torch-fidelity's cache", {"": {"moments": moments}})


def _moments(path: Path, mean: NDArray[Any], covariance: NDArray[Any], *, n: int | None = None) -> Moments:
    """Return the moments in float64. Raises: UserError for arrays that cannot be a mean and a covariance."""
    exact_mean, exact = mean.astype(np.float64), covariance.astype(np.float64)
    if not (np.isfinite(exact_mean).all() and np.isfinite(exact).all()):
        raise UserError(f"{path}: statistics with values that are not finite")
    if np.abs(exact - exact.T).max(initial=0) > ASYMMETRY * np.abs(exact).max(initial=0):
        raise UserError(f"{path}: sigma is not symmetric, and so no covariance")
    symmetric = (exact + exact.T) / 2
    if not _has_no_negative_variance(symmetric):
        raise UserError(f"{path}: sigma has negative variances, and so is no covariance")
    return Moments(n, exact_mean, symmetric)


def _check_arrays(path: Path, mean: NDArray[Any] | StoredArray, covariance: NDArray[Any] | StoredArray) -> None:
    """Raises: UserError for arrays whose shapes or types cannot be those of a mean and a covariance."""
    if len(mean.shape) != 1 or covariance.shape != 2 * mean.shape or not {mean.dtype.kind, covariance.dtype.kind} <= {"f"}:
        shapes = " and ".join(f"{name} {array.shape} {array.dtype}" for name, array in (("mu", mean), ("sigma", covariance)))
        raise UserError(f"{path}: {shapes} are no mean and covariance, which are floats (d,) and (d, d)")


def _has_no_negative_variance(covariance: NDArray[np.float64]) -> bool:
    """Return whether the variance in every direction is at least 0, up to rounding errors of float32."""
    slack = ASYMMETRY * max(float(np.trace(covariance)), np.finfo(float).tiny / ASYMMETRY)
    try:
        np.linalg.cholesky(covariance + slack * np.eye(len(covariance)))
    except np.linalg.LinAlgError:
        return False
    return True


def _torch_table(path: Path) -> Mapping[object, object]:
    """Return the table in a file that torch.save wrote, without running code.

    The harness's reader of pickles reads tables of NumPy arrays. Tables of tensors are left to torch.
    """
    table: object
    try:
        table = pickles.loads(torch_files.pickle_inside(path))
    except RefusedPickle:
        table = torch_files.load(path)
    if not isinstance(table, dict):
        raise UserError(f"{path}: no statistics: expected a table of mu and sigma, and found {type(table).__name__}")
    return table


def _moments_in_table(path: Path, table: Mapping[object, object], message: str) -> StoredMoments:
    """Return the moments in a table of `mu` and `sigma`; `message` begins the error for a table without them."""
    missing = [name for name in _NAMES["moments"] if name not in table]
    if missing:
        raise UserError(f"{path}: {message}{' and no '.join(missing)}")
    mean, covariance = (_array(path, name, table[name]) for name in _NAMES["moments"])
    _check_arrays(path, mean, covariance)
    return StoredMoments(len(mean), cache(lambda: _moments(path, mean, covariance)))


def _array(path: Path, name: str, value: object) -> NDArray[Any]:
    import torch

    if isinstance(value, torch.Tensor):
        try:
            return value.detach().numpy()
        except (TypeError, RuntimeError) as error:  # of a sparse tensor, or of numbers that NumPy does not have
            raise UserError(f"{path}: {name} is no array: {error}") from None
    if not isinstance(value, np.ndarray):
        raise UserError(f"{path}: {name} is no array")
    return value


def write(path: Path, moments: Mapping[str, Moments], metadata: Metadata) -> None:
    """Write statistics, by need, as an .npz that the tools of EDM, clean-fid and ADM read too. Raises: StorageError."""
    arrays: dict[str, Any] = {}
    for need, (mean, covariance) in _NAMES.items():
        if need in moments:
            arrays |= {mean: moments[need].mean, covariance: moments[need].covariance}
    text = json.dumps(metadata.model_dump(mode="json"), ensure_ascii=True)
    content = io.BytesIO()
    # The metadata are stored as an array of bytes, because NumPy reads such an array without pickles.
    np.savez(content, **arrays, harness=np.frombuffer(text.encode(), np.uint8))
    with appearing(path) as scratch:
        scratch.write_bytes(content.getbuffer())
