"""Train a frozen classifier anew: `python -m harness_classifiers.train NAME [FOLDER]`.

The training is deterministic: it has one thread, and all randomness comes from named streams. On the same CPU and torch the file
comes out the same bit for bit, and elsewhere to rounding, which is why the weights are committed and pinned. It trains on the
dataset's training part alone, so that no network has seen an image that an evaluation compares.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import sys
import time
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from safetensors.torch import save
from torch import Tensor

from harness.components import Dataset
from harness.interfaces import Batch, DataSource
from harness.plugins import registry
from harness.streams import seeded, stream
from harness_classifiers.network import FROZEN, WEIGHTS, Frozen, SmallCNN, as_bytes, prepared

PEAK_RATE = 2e-3
WEIGHT_DECAY = 0.05
DROPOUT = 0.3
"""Share of the hidden layer that a step drops. Without dropout, a network memorises its training images and gives them
features that are apart from those of all other images."""


def trained(frozen: Frozen, data: Batch, *, epochs: int | None = None) -> SmallCNN:
    """Train a network. data: images in [-1, 1] of the network's size, with labels. epochs: None takes those of `frozen`."""
    with seeded(stream(0, f"{frozen.name}/weights").initial_seed()):
        network = SmallCNN(frozen)
    images, labels = as_bytes(data.x), cast(Tensor, data.labels)
    epochs = epochs or frozen.epochs
    steps = epochs * (len(images) // frozen.batch)
    optimizer = torch.optim.AdamW(network.parameters(), lr=PEAK_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps))
    for epoch in range(epochs):
        generator = stream(0, f"{frozen.name}/epoch", epoch)
        order = torch.randperm(len(images), generator=generator)
        for start in range(0, len(images) - frozen.batch + 1, frozen.batch):
            chosen = order[start : start + frozen.batch]
            x = shifted(prepared(images[chosen], frozen.size), frozen.shift, generator)
            loss = _loss(network, x, labels[chosen], generator)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        print(f"{frozen.name}: epoch {epoch + 1} of {epochs}, loss {float(loss.detach()):.4f}", file=sys.stderr)  # noqa: T201
    return network.eval()


def accuracy(network: SmallCNN, data: Batch, size: int) -> float:
    """Return the share of images whose largest logit is that of their label."""
    with torch.no_grad():
        parts = as_bytes(data.x).split(500)
        guesses = [network.classify(network.features(network.map(prepared(part, size)))).argmax(1) for part in parts]
    return float(torch.cat(guesses).eq(cast(Tensor, data.labels)).double().mean())


def shifted(x: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Shift each image at random by up to `most` pixels in each direction; black (-1) fills what is left."""
    n, _, height, width = x.shape
    padded = F.pad(x, (most,) * 4, value=-1.0)
    down, right = torch.randint(0, 2 * most + 1, (2, n, 1), generator=generator)
    rows = (down + torch.arange(height))[:, :, None]
    columns = (right + torch.arange(width))[:, None, :]
    return padded[torch.arange(n)[:, None, None], 0, rows, columns].unsqueeze(1)


def _loss(network: SmallCNN, x: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
    """Return the cross-entropy with dropout of the hidden layer, by the generator's randomness."""
    features = network.features(network.map(x))
    kept = torch.rand(features.shape, generator=generator) >= DROPOUT
    return F.cross_entropy(network.classify(features * kept / (1 - DROPOUT)), labels)


def _rate(step: int, steps: int) -> float:
    """Return the share of the peak rate at a step: a linear warm-up over 100 steps, times a cosine that ends at 0."""
    warm = min(1.0, (step + 1) / 100)
    return warm * 0.5 * (1 + math.cos(math.pi * step / steps))


def main() -> None:
    """Train, write the weights, and print a row of the table in docs/extractors.md."""
    parser = argparse.ArgumentParser(description="Train a frozen classifier anew.")
    parser.add_argument("name", choices=sorted(FROZEN))
    parser.add_argument("folder", nargs="?", type=Path, default=WEIGHTS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    frozen, started = FROZEN[arguments.name], time.perf_counter()
    component = registry().get(Dataset, frozen.dataset, where=frozen.name)
    source = component.create(component.config())
    network = trained(frozen, source.train())
    seconds = time.perf_counter() - started
    content = save(network.state_dict())
    arguments.folder.mkdir(parents=True, exist_ok=True)
    (arguments.folder / frozen.path.name).write_bytes(content)
    halves = [source.evaluation(draw, half(source)) for draw in (0, 1)]
    held_out = sum(accuracy(network, part, frozen.size) for part in halves) / 2
    own = accuracy(network, source.train(), frozen.size)
    print(f"| `{frozen.name}` | {frozen.dataset} | {own:.2%} | {held_out:.2%} | {len(content) / 1000:.0f} kB |")  # noqa: T201
    print(f"sha256 {hashlib.sha256(content).hexdigest()} (pin it in network.py); {seconds:.0f} s")  # noqa: T201


def half(source: DataSource) -> int:
    """Return how many images each half of the held-out part has."""
    return source.largest_evaluation or 0


if __name__ == "__main__":
    main()
