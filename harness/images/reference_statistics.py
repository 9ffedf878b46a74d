"""Reference statistics that papers publish: means and covariances of features of real images, read as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.weights.pickles import LARGEST, RefusedPickle, load


@dataclass(frozen=True)
class FeatureStatistics:
    """`mean` (D,) and `covariance` (D, D) of features, float64; the covariance is the unbiased one."""

    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]


def read(path: Path, *, largest: int = LARGEST) -> dict[str, FeatureStatistics]:
    """Statistics by the name of their metric: `fid`, `fd_dinov2`.

    An .npz is EDM's format, with `mu` and `sigma` of `fid` alone; anything else EDM2's pickle.
    Raises: RefusedPickle when the file is neither; OSError.
    """
    if path.suffix == ".npz":
        try:
            # NumPy leaves a damaged file open that it has opened itself.
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                return {"fid": _statistics(path, "fid", {name: stored[name] for name in stored.files})}
        except RefusedPickle:
            raise
        except OSError as error:
            if error.errno is None:  # what NumPy says of a file that is cut
                raise RefusedPickle(f"{path}: no reference statistics: {error}") from None
            raise
        except Exception as error:  # whatever damaged bytes can make the readers of zip and npy raise
            raise RefusedPickle(f"{path}: no reference statistics: {type(error).__name__}: {error}") from None
    tables = load(path, largest=largest)
    if not isinstance(tables, dict):
        raise RefusedPickle(f"{path}: no table of reference statistics")
    return {name: _statistics(path, name, one) for name, one in tables.items() if isinstance(one, dict)}


def _statistics(path: Path, name: str, table: Mapping[str, object]) -> FeatureStatistics:
    mean, covariance = table.get("mu"), table.get("sigma")
    if not isinstance(mean, np.ndarray) or not isinstance(covariance, np.ndarray):
        raise RefusedPickle(f"{path}: {name} has no arrays mu and sigma")
    if mean.ndim != 1 or covariance.shape != (len(mean), len(mean)):
        raise RefusedPickle(f"{path}: {name} has mu of shape {mean.shape} and sigma of shape {covariance.shape}")
    return FeatureStatistics(mean.astype(np.float64), covariance.astype(np.float64))
