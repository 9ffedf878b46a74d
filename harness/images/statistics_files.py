"""Statistics of features in files: everybody's formats are read as data, and ours says what it is a statistic of."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from harness.errors import UserError
from harness.features import Moments
from harness.images import reference_statistics
from harness.images.arrays import StoredArray, stored
from harness.store.files import appearing
from harness.store.records import ExtractorFacts, Part
from harness.weights import pickles
from harness.weights.pickles import RefusedPickle

LARGEST = 2**31
"""Bytes of the largest array that is taken for a covariance: of 16,384 features."""
LARGEST_PICKLE = 2**31
ASYMMETRY = 1e-5
"""Of the largest entry: a covariance may be that far from symmetric, as rounded to float32; anything else is none."""
_TABLES = {"moments": ("mu", "sigma"), "spatial": ("mu_s", "sigma_s")}


class Metadata(Part):
    """What the statistics in a file of ours are of.

    Args:
        n: number of images.
        source: the folder, file or dataset, as it was given.
        split: which of a dataset's images; empty where it is no dataset.
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
class StatisticsFile:
    """Statistics as they were found in a file.

    Args:
        form: whose format, for people.
        tables: moments by the file's own name of them and by need: `{"fid": {"moments": …}}`; most files have one, called "".
        metadata: what they are of, where the file says so.
    """

    path: Path
    form: str
    tables: Mapping[str, Mapping[str, Moments]]
    metadata: Metadata | None = None

    @property
    def n(self) -> int | None:
        """Number of images, where the file says so."""
        return None if self.metadata is None else self.metadata.n

    def of(self, outputs: Mapping[str, int]) -> Mapping[str, Moments]:
        """Moments by need, of an extractor with these outputs. Raises: UserError when none has as many features."""
        sizes = {name: len(table["moments"].mean) for name, table in self.tables.items()}
        fitting = [name for name, size in sizes.items() if size == outputs["features"]]
        if len(fitting) != 1:
            there = " and ".join(f"{f'{name} of ' if name else ''}{size}" for name, size in sizes.items())
            raise UserError(f"{self.path}: holds statistics of {there} features; the extractor gives {outputs['features']}")
        table = self.tables[fitting[0]]
        return {
            need: one for need, one in table.items() if need == "moments" or len(one.mean) == outputs.get("spatial")
        }  # another network's spatial features

    def check_extractor(self, used: ExtractorFacts) -> None:
        """Raises: UserError when the file says that another extractor made them."""
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
        """What `check_extractor` can say before the extractor is built. Raises: UserError."""
        if self.metadata is not None and (made := self.metadata.extractor.name) != name:
            raise UserError(
                f"{self.path}: its statistics were made by the extractor {made}, and this measures with {name}; a distance "
                f"between them means nothing. Measure with --extractor {made}, or make them again, with --write-statistics"
            )


def recognise(path: Path) -> StatisticsFile | None:
    """The statistics in a file by its suffix and content; None for an .npz without any.

    .npz: ours, EDM's and clean-fid's (`mu`, `sigma`), ADM's (`mu_s`, `sigma_s` too); .pkl: EDM2's; .pt, .pth: torch-fidelity's.
    Raises: UserError for a damaged file, or one that holds no statistics where nothing else is expected.
    """
    if path.suffix == ".npz":
        return _npz(path)
    if path.suffix == ".pkl":
        tables = reference_statistics.read(path, largest=LARGEST_PICKLE)
        made = {name: {"moments": _moments(path, one.mean, one.covariance)} for name, one in tables.items()}
        return StatisticsFile(path, "EDM2's pickle", made)
    if path.suffix in (".pt", ".pth"):
        table = _torch_table(path)
        missing = [name for name in _TABLES["moments"] if name not in table]
        if missing:
            raise UserError(f"{path}: no statistics: it has no {' and no '.join(missing)}")
        mean, covariance = (_array(path, name, table[name]) for name in _TABLES["moments"])
        return StatisticsFile(path, "torch-fidelity's cache", {"": {"moments": _moments(path, mean, covariance)}})
    return None


def _npz(path: Path) -> StatisticsFile | None:
    arrays = stored(path)
    if not {"mu", "sigma"} <= set(arrays):
        return None
    metadata = _metadata(path, arrays["harness"]) if "harness" in arrays else None
    table = {}
    for need, names in _TABLES.items():
        if set(names) <= set(arrays):
            mean, covariance = (arrays[name].read(largest=LARGEST) for name in names)
            table[need] = _moments(path, mean, covariance, n=None if metadata is None else metadata.n)
    form = "finetune-harness" if metadata is not None else "ADM's .npz" if "spatial" in table else "an .npz of mu and sigma"
    return StatisticsFile(path, form, {"": table}, metadata)


def _metadata(path: Path, array: StoredArray) -> Metadata:
    try:
        return Metadata.model_validate_json(bytes(array.read(largest=2**20)))
    except ValidationError as error:
        raise UserError(f"{path}: what it says about itself is damaged; make the statistics again") from error


def _moments(path: Path, mean: NDArray[Any], covariance: NDArray[Any], *, n: int | None = None) -> Moments:
    if mean.ndim != 1 or covariance.shape != 2 * mean.shape or not {mean.dtype.kind, covariance.dtype.kind} <= {"f"}:
        there = " and ".join(f"{name} {one.shape} {one.dtype}" for name, one in (("mu", mean), ("sigma", covariance)))
        raise UserError(f"{path}: {there} are no mean and covariance, which are floats (d,) and (d, d)")
    exact_mean, exact = mean.astype(np.float64), covariance.astype(np.float64)
    if not (np.isfinite(exact_mean).all() and np.isfinite(exact).all()):
        raise UserError(f"{path}: statistics with values that are not finite")
    if np.abs(exact - exact.T).max(initial=0) > ASYMMETRY * np.abs(exact).max(initial=0):
        raise UserError(f"{path}: sigma is not symmetric, and so no covariance")
    symmetric = (exact + exact.T) / 2
    if not _has_no_negative_variance(symmetric):
        raise UserError(f"{path}: sigma has negative variances, and so is no covariance")
    return Moments(n, exact_mean, symmetric)


def _has_no_negative_variance(covariance: NDArray[np.float64]) -> bool:
    """In any direction, beyond what rounding to float32 makes of a variance of 0."""
    slack = ASYMMETRY * max(float(np.trace(covariance)), np.finfo(float).tiny / ASYMMETRY)
    try:
        np.linalg.cholesky(covariance + slack * np.eye(len(covariance)))
    except np.linalg.LinAlgError:
        return False
    return True


def _torch_table(path: Path) -> Mapping[str, object]:
    """What torch.save wrote, as data: NumPy's arrays by the restricted reader, tensors by torch's own."""
    import torch

    table: object
    try:
        with zipfile.ZipFile(path) as archive:
            (name,) = (one for one in archive.namelist() if one.endswith("/data.pkl"))
            if archive.getinfo(name).file_size > LARGEST_PICKLE:
                raise UserError(f"{path}: too large for statistics")
            content = archive.read(name)
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise UserError(f"{path}: no file of statistics that torch wrote: {error}") from error
    try:
        table = pickles.loads(content)
    except RefusedPickle:
        try:
            table = torch.load(path, map_location="cpu", weights_only=True)
        except (pickle.UnpicklingError, RuntimeError, ValueError, EOFError) as error:
            raise UserError(f"{path}: holds more than numbers, and is not read: {str(error).splitlines()[0]}") from error
    if not isinstance(table, dict):
        raise UserError(f"{path}: no statistics: expected a table of mu and sigma, and found {type(table).__name__}")
    return table


def _array(path: Path, name: str, value: object) -> NDArray[Any]:
    import torch

    if isinstance(value, torch.Tensor):
        return value.numpy()
    if not isinstance(value, np.ndarray):
        raise UserError(f"{path}: {name} is no array")
    return value


def write(path: Path, moments: Mapping[str, Moments], metadata: Metadata) -> None:
    """Write statistics as an .npz that EDM's tools, clean-fid's and ADM's read too. Raises: StorageError."""
    arrays: dict[str, Any] = {}
    for need, (mean, covariance) in _TABLES.items():
        if need in moments:
            arrays |= {mean: moments[need].mean, covariance: moments[need].covariance}
    text = json.dumps(metadata.model_dump(mode="json"), ensure_ascii=True)
    content = io.BytesIO()
    # As bytes, which a reader of arrays reads without pickles.
    np.savez(content, **arrays, harness=np.frombuffer(text.encode(), np.uint8))
    with appearing(path) as scratch:
        scratch.write_bytes(content.getbuffer())
