"""Token models: VAR sampling with and without its key-value cache; DDO's step with and without kept reference likelihoods.

    OMP_NUM_THREADS=1 python benchmarks/tokens.py

The two sides of a comparison take turns, so that other work on the machine meets both alike, and their processor time is
compared. Both comparisons are checked first: the tokens must be the same, and so must the weights after training.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections.abc import Callable, Mapping

import torch

from harness.components import Model
from harness.interfaces import Batch, DataSpec
from harness.plugins import registry
from harness.streams import SampleStreams, stream
from harness.testing.models import build
from harness.testing.task import InMemoryTask
from harness_ddo import DDOConfig
from harness_ddo.method import DDO
from harness_var import VARConfig, VARSamplerConfig
from harness_var.sampler import VARSampler

WARM_UP = 16  # steps, after which nearly every row of 256 was met
SCALES = (1, 2, 3, 4, 5, 6, 8, 10, 13, 16)


def var(spec: DataSpec, settings: Mapping[str, object]) -> torch.nn.Module:
    """Return a VAR with random weights."""
    return build(registry().get(Model, "var", where="benchmark"), VARConfig.model_validate(settings), spec)


def seconds(work: Callable[[], object]) -> float:
    """Return the processor time of one call."""
    started = time.process_time()
    work()
    return time.process_time() - started


def turns(first: Callable[[], object], second: Callable[[], object], rounds: int) -> None:
    """Print the median of each, and the ratios of the times of a turn, second over first."""
    times = [(seconds(first), seconds(second)) for _ in range(rounds)]
    ratios = sorted(b / a for a, b in times)
    a, b = (statistics.median(column) for column in zip(*times, strict=True))
    print(
        f"  {1e3 * a:.1f} ms and {1e3 * b:.1f} ms; ratio: median {statistics.median(ratios):.2f}, "
        f"from {ratios[0]:.2f} to {ratios[-1]:.2f} over {rounds} turns"
    )


def sampling(rounds: int, images: int) -> None:
    """Compare sampling with and without the cache.

    A small transformer draws ten scales, 680 tokens, as published for 256×256. The tokenizer's decoder is left out.
    """
    spec = DataSpec((3, 32, 32), classes=10, preview="images")
    settings = {"depth": 4, "embed_dim": 128, "num_heads": 4, "patch_nums": SCALES, "tokenizer": {"ch_mult": (1, 1)}}
    model = var(spec, settings)
    labels = torch.arange(images) % 10

    def draw(kv_cache: bool) -> torch.Tensor:
        return VARSampler(VARSamplerConfig(kv_cache=kv_cache)).tokens(model, SampleStreams(0, "x", range(images)), labels)

    same = (draw(True) == draw(False)).float().mean().item()
    print(f"VAR, 680 tokens, {images} images at once, with cache and without ({100 * same:.2f} % of the tokens are the same):")
    turns(lambda: draw(True), lambda: draw(False), rounds)


def ddo(rounds: int, steps: int) -> None:
    """Compare steps of DDO on the VAR of the board digits-tokens. Nearly every value is cached when the clock starts."""
    spec = DataSpec((1, 8, 8), classes=10, preview="images")
    settings = {
        "depth": 2, "embed_dim": 64, "num_heads": 4, "patch_nums": (1, 2, 4),
        "tokenizer": {"vocab_size": 64, "z_channels": 8, "ch": 8, "ch_mult": (1, 2)},
    }  # fmt: skip
    real = Batch(torch.rand(256, 1, 8, 8, generator=stream(0, "x")) * 2 - 1, torch.arange(256) % 10, torch.arange(256))
    config = DDOConfig.model_validate({"bank_size": 256, "optimizer": {"lr": 1e-5}})
    methods = []
    for is_enabled in (True, False):
        sampler = VARSampler(VARSamplerConfig())
        method = DDO(config, InMemoryTask(var(spec, settings), spec, sampler, steps=100_000, batch=64))
        method.reference_likelihood.is_enabled = is_enabled
        methods.append(method)
    steps_taken = [itertools.count(), itertools.count()]

    def take(which: int, number: int) -> None:
        method = methods[which]
        for index in itertools.islice(steps_taken[which], number):
            chosen = torch.randint(256, (64,), generator=stream(1, "order", index))
            method.step(real[chosen], stream(2, "step", index), index)

    for which in (0, 1):
        take(which, WARM_UP)
    pairs = zip(*(method.task.model.parameters() for method in methods), strict=True)
    apart = max(float(((a - b).abs().max() / b.abs().max().clamp(min=1e-12)).detach()) for a, b in pairs)
    print(
        f"DDO, 64 real and 64 fake images a step, with kept reference likelihoods and without, {steps} steps a turn "
        f"(after {WARM_UP} steps the weights differ by at most {apart:.1e} of their tensor's largest):"
    )
    turns(lambda: take(0, steps), lambda: take(1, steps), rounds)


def main() -> None:
    """Make one of the two comparisons, or both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=("sampling", "ddo"), help="one of the two; both by default")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--steps", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.part != "ddo":
        sampling(options.rounds, options.images)
    if options.part != "sampling":
        ddo(options.rounds, options.steps)


if __name__ == "__main__":
    main()
