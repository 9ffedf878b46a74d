"""Named random streams. The numbers of a stream depend on (seed, purpose, index) alone, not on global state, batch size or
device."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from harness.card_kernels import running_sum

BLOCK = 1 << 15
"""The number of random numbers that `normals` draws at once for one sample, at most, unless a single draw is larger."""


def stream(seed: int, purpose: str, index: int = 0) -> torch.Generator:
    """Return a generator for (seed, purpose, index). It is on the CPU, so that noise is the same on every device."""
    digest = hashlib.blake2b(f"{seed}/{purpose}/{index}".encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)


@contextmanager
def seeded(seed: int | None, device: torch.device | str = "cpu") -> Iterator[None]:
    """Seed torch's global randomness inside the block, on the CPU and on `device`, and restore it afterwards.

    Use it for layers that take no generator, such as dropout. Take the seed from a generator: then a resumed run draws the same
    numbers as a run without a stop.

    Args:
        seed: None leaves torch's randomness as it is.
    """
    if seed is None:
        yield
        return
    place = torch.device(device)
    with torch.random.fork_rng(devices=[place] if place.type == "cuda" else []):
        # torch.manual_seed seeds every kind of device, and notes the stack of its caller for cards that have not been used.
        torch.default_generator.manual_seed(seed)
        if place.type == "cuda":
            with torch.cuda.device(place):
                torch.cuda.manual_seed(seed)
        yield


class SampleStreams:
    """A random stream for each of n samples. Sample i's numbers depend on (seed, purpose, i) and the order of its draws alone.

    Args:
        seed, purpose: see `stream`.
        indices: the numbers i of the n samples.
        device: the device that every draw is moved to.
    """

    def __init__(self, seed: int, purpose: str, indices: Sequence[int], device: torch.device | str = "cpu") -> None:
        self.seed, self.purpose, self.indices, self.device = seed, purpose, tuple(indices), torch.device(device)
        self._generators = [stream(seed, purpose, index) for index in self.indices]

    def __len__(self) -> int:
        return len(self.indices)

    def normal(self, *shape: int) -> Tensor:
        """Draw standard normal numbers, (n, *shape), float32. One call with shape (T, …) is much faster than T calls."""
        out = torch.empty(len(self), *shape)
        for row, generator in zip(out, self._generators, strict=True):
            row.normal_(generator=generator)
        return out.to(self.device)

    def normals(self, count: int, *shape: int) -> Iterator[Tensor]:
        """Yield `count` draws of standard normal numbers, each (n, *shape). Memory does not grow with the count.

        The draws are made in blocks. The size of a block depends on the shape alone, so that a sample gets the same noise in
        every batch.
        """
        block = max(1, BLOCK // max(1, math.prod(shape)))
        for start in range(0, count, block):
            drawn = self.normal(min(block, count - start), *shape)
            yield from drawn.unbind(1)

    def uniform(self, *shape: int) -> Tensor:
        """Draw uniform numbers in [0, 1), (n, *shape), float32."""
        out = torch.empty(len(self), *shape)
        for row, generator in zip(out, self._generators, strict=True):
            row.uniform_(generator=generator)
        return out.to(self.device)

    def integers(self, high: int, *shape: int) -> Tensor:
        """Draw uniform integers in [0, high), (n, *shape), int64."""
        out = torch.empty(len(self), *shape, dtype=torch.int64)
        for index, generator in enumerate(self._generators):
            out[index] = torch.randint(high, shape, generator=generator)
        return out.to(self.device)

    def categorical(self, probabilities: Tensor) -> Tensor:
        """Draw an index from each of the distributions, (n, …, V) -> (n, …) int64. The last axis need not sum to exactly 1.

        The cumulative distribution function is inverted in float64, with one uniform number for each distribution. An index of
        probability 0 is never drawn.
        """
        below = running_sum(probabilities.double())
        level = self.uniform(*probabilities.shape[1:-1]).to(below)[..., None] * below[..., -1:]
        return (below <= level).sum(-1)
