"""Which standard error of FID is right, and what does each cost? All three are compared with the spread over disjoint sets.

    OMP_NUM_THREADS=1 python benchmarks/standard_errors.py

The images are Fashion-MNIST's, and the features those of `fashion-cnn`. The training images, with and without noise, are cut
into sets of n, and each set is measured against the held-out images. The deviation of FID over the sets is what the standard
errors estimate. The script then prints the seconds of CPU of one estimate with more features and ten resamples. The cost of
bootstrap and split-half is proportional to the number of resamples.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.components import Dataset, Extractor
from harness.features import FeatureSet, Moments
from harness.images.extraction import Extraction
from harness.images.sets import ImageSet
from harness.interfaces import FeatureExtractor
from harness.plugins import registry
from harness_image_metrics import StandardErrorConfig
from harness_image_metrics.frechet import frechet_distance
from harness_image_metrics.standard_error import FrechetStandardError

WAYS = ("influence", "bootstrap", "split-half")
Rows = NDArray[np.float32]


def features(images: Tensor, extractor: FeatureExtractor) -> Rows:
    """Return the features (n, D) of images in [-1, 1]."""
    pixels = ImageSet.of_parts("images", len(images), tuple(images.shape[1:]), lambda start, stop: images[start:stop])
    return Extraction(extractor, {"features"}).run(pixels).rows()


def timed(rows: Rows, reference: FeatureSet, by: str, resamples: int) -> tuple[float, float]:
    """Return a standard error, and its seconds of CPU."""
    settings = {"by": by, "few_images": True} | ({} if by == "influence" else {"resamples": resamples})
    metric = FrechetStandardError(StandardErrorConfig.model_validate(settings))
    generated = FeatureSet.of_rows("generated", features=rows)
    started = time.process_time()
    error = metric(generated, reference, torch.Generator().manual_seed(0))["fid-se"]
    return error, time.process_time() - started


def compare(rows: Rows, reference: FeatureSet, n: int, sets: int, resamples: int) -> Iterator[str]:
    """Yield the deviation over sets, then the mean and the deviation over sets of each standard error."""
    parts = [rows[start : start + n] for start in range(0, len(rows) - n + 1, n)][:sets]
    distances = [frechet_distance(Moments.of(part), reference.moments()) for part in parts]
    spread = statistics.stdev(distances)
    known = 1 / np.sqrt(2 * len(parts) - 2)
    yield f"n = {n}, {len(parts)} sets: fid {statistics.fmean(distances):.2f}, deviation {spread:.3f} (known to {known:.0%})"
    for by in WAYS:
        errors = [timed(part, reference, by, resamples)[0] for part in parts]
        mean, own = statistics.fmean(errors), statistics.stdev(errors)
        yield f"  {by:<10}  {mean:.3f} ± {own:.3f}; over the deviation {mean / spread:.2f}"


def costs(n: int, dimensions: int, resamples: int) -> Iterator[str]:
    """Yield the seconds of CPU of each standard error for n normal rows."""
    draw = np.random.default_rng(0).standard_normal
    rows = draw((n, dimensions), np.float32)
    reference = FeatureSet.of_rows("reference", features=draw((n, dimensions), np.float32))
    yield f"{n} images of {dimensions} features, {resamples} resamples"
    for by in WAYS:
        yield f"  {by:<10}  {timed(rows, reference, by, resamples)[1]:.1f} s"


def main() -> None:
    """Print how the standard errors agree with the spread, then what they cost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=60, help="at most this many of each size")
    parser.add_argument("--resamples", type=int, default=100)
    parser.add_argument("--sizes", type=int, nargs="+", default=[300, 1000, 3000])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    dataset = registry().get(Dataset, "fashion-mnist", where="this benchmark")
    component = registry().get(Extractor, "fashion-cnn", where="this benchmark")
    source, extractor = dataset.create(dataset.config()), component.create(component.config())
    noise = torch.Generator().manual_seed(1)
    train = source.train().x
    held_out = torch.cat([source.evaluation(draw, 5000).x for draw in (0, 1)])
    reference = FeatureSet.of_rows("held out", features=features(held_out, extractor))
    noisy = (train + 0.2 * torch.randn(train.shape, generator=noise)).clamp(-1, 1)
    cases: Mapping[str, Tensor] = {"real": train, "noise 0.1": noisy}
    for name, images in cases.items():
        rows = features(images, extractor)
        for n in arguments.sizes:
            for line in compare(rows, reference, n, arguments.sets, arguments.resamples):
                print(f"{name}, {line}" if line[0] == "n" else line, flush=True)
    for n, dimensions in ((10_000, 512), (10_000, 2048)):
        print("\n".join(costs(n, dimensions, 10)), flush=True)


if __name__ == "__main__":
    main()
