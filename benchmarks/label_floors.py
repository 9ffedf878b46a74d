"""How near a perfect model with labels comes to the floor of a board, where every class is generated equally often.

    OMP_NUM_THREADS=1 python benchmarks/label_floors.py

Real draws have classes as they fall, and generated sets have each class equally often (docs/protocol.md). Training images
stand in for a perfect model. The script prints Fréchet distances of features at the same n, as means over pairs of draws,
each with its standard error:
- `floor`: two sets of held-out images.
- `any`: training images as they fall against a set of held-out images, as of a perfect model without labels.
- `balanced`: as many training images of each class against a set of held-out images, as of a perfect model with labels.
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Sequence

import torch
from extractor_floors import dataset_of, extractor_of, features, frechet
from torch import Tensor

from harness.sampling.drawing import sample_labels
from harness.streams import stream

CASES = (("digits", 224, "digits-cnn"), ("fashion-mnist", 1000, "fashion-cnn"))


def of_labels(wanted: Tensor, labels: Tensor, seed: int) -> Tensor:
    """Return training examples with the wanted labels, each at most once, (n,)."""
    chosen = torch.empty_like(wanted)
    for label in wanted.unique().tolist():
        places = (labels == label).nonzero().flatten()
        order = torch.randperm(len(places), generator=stream(seed, f"benchmark/{label}"))
        chosen[wanted == label] = places[order[: int((wanted == label).sum())]]
    return chosen


def distances(dataset: str, n: int, name: str, pairs: int) -> dict[str, list[float]]:
    source, extractor = dataset_of(dataset), extractor_of(name)
    train = source.train()
    assert train.labels is not None, "the datasets have classes"
    values: dict[str, list[float]] = {"floor": [], "any": [], "balanced": []}
    for pair in range(pairs):
        first, second = (features(extractor, source.evaluation(2 * pair + half, n)) for half in (0, 1))
        labels = sample_labels(pair, "benchmark", n, source.spec)
        assert labels is not None, "the datasets have classes"
        chosen = torch.randperm(len(train), generator=stream(pair, "benchmark"))[:n]
        values["floor"].append(frechet(first, second))
        values["any"].append(frechet(features(extractor, train[chosen]), second))
        values["balanced"].append(frechet(features(extractor, train[of_labels(labels, train.labels, pair)]), second))
    return values


def mean_and_error(values: Sequence[float]) -> str:
    return f"{statistics.fmean(values):.2f} ± {statistics.stdev(values) / math.sqrt(len(values)):.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=40)
    pairs = parser.parse_args().pairs
    print("| dataset | n | floor | any | balanced |\n|---|---|---|---|---|")
    for dataset, n, name in CASES:
        found = distances(dataset, n, name, pairs)
        print(f"| {dataset} | {n} | {' | '.join(map(mean_and_error, found.values()))} |", flush=True)


if __name__ == "__main__":
    main()
