"""Do the frozen classifiers know their own training images better than others? Real images against real images.

    OMP_NUM_THREADS=1 python benchmarks/extractor_floors.py

For each extractor and dataset, the script prints Fréchet distances of features at the same n, as means over pairs of draws:
- `held out`: two sets of held-out images, which is the floor of a board.
- `train`: a set of training images against a set of held-out images. A network that knows its training images by heart would tell
  the two apart.
- `noise`, `blur`: held-out images with a fault against held-out images, one pair.
"""

from __future__ import annotations

import argparse
import statistics

import torch
from torch import Tensor

from harness.components import Dataset, Extractor
from harness.errors import UserError
from harness.interfaces import Batch, DataSource, FeatureExtractor
from harness.plugins import registry
from harness.streams import stream

CASES = (
    ("digits", 400, ("digits-cnn", "mnist-cnn", "fashion-cnn")),
    ("mnist", 1000, ("mnist-cnn", "fashion-cnn", "digits-cnn")),
    ("fashion-mnist", 1000, ("fashion-cnn",)),
    ("fashion-mnist", 5000, ("fashion-cnn",)),
)


def dataset_of(name: str, **settings: object) -> DataSource:
    component = registry().get(Dataset, name, where="benchmark")
    return component.create(component.config.model_validate(settings))


def extractor_of(name: str) -> FeatureExtractor:
    component = registry().get(Extractor, name, where="benchmark")
    extractor = component.create(component.config())
    if isinstance(extractor, torch.nn.Module):
        extractor.eval()
    return extractor


def frechet(first: Tensor, second: Tensor) -> float:
    """Return the distance between Gaussians with the moments of two sets (n, D), in float64."""
    a, b = first.double(), second.double()
    cov_a, cov_b = a.T.cov(), b.T.cov()
    values, vectors = torch.linalg.eigh(cov_a)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(root @ cov_b @ root).clamp(min=0).sqrt().sum()
    return float((a.mean(0) - b.mean(0)).square().sum() + cov_a.trace() + cov_b.trace() - 2 * cross)


def features(extractor: FeatureExtractor, batch: Batch) -> Tensor:
    images = ((batch.x + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return torch.cat([extractor(part)["features"] for part in images.split(250)])


def distances(extractor: FeatureExtractor, dataset: str, n: int, pairs: int) -> dict[str, list[float]]:
    source = dataset_of(dataset)
    train = source.train()
    values: dict[str, list[float]] = {"held out": [], "train": []}
    for pair in range(pairs):
        first, second = (features(extractor, source.evaluation(2 * pair + half, n)) for half in (0, 1))
        chosen = torch.randperm(len(train), generator=stream(pair, "benchmark"))[:n]
        values["held out"].append(frechet(first, second))
        values["train"].append(frechet(features(extractor, train[chosen]), second))
    for fault, strength in (("noise", 0.1), ("blur", 0.5)):
        faulty = dataset_of("corrupted", dataset=dataset, **{fault: strength})
        values[f"{fault} {strength}"] = [
            frechet(features(extractor, faulty.evaluation(0, n)), features(extractor, source.evaluation(1, n)))
        ]
    return values


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=5)
    pairs = parser.parse_args().pairs
    print("| dataset | n | extractor | held out | train | train / held out | noise 0.1 | blur 0.5 |")
    print("|---|---|---|---|---|---|---|---|")
    for dataset, n, names in CASES:
        for name in names:
            try:
                extractor = extractor_of(name)
            except UserError as error:
                print(f"| {dataset} | {n} | {name} | {error} |")
                continue
            means = {case: statistics.fmean(values) for case, values in distances(extractor, dataset, n, pairs).items()}
            ratio = means["train"] / means["held out"]
            print(
                f"| {dataset} | {n} | `{name}` | {means['held out']:.3g} | {means['train']:.3g} | {ratio:.2f} | "
                f"{means['noise 0.1']:.3g} | {means['blur 0.5']:.3g} |", flush=True,
            )  # fmt: skip


if __name__ == "__main__":
    main()
