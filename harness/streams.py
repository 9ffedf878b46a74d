"""Named random streams: a function of (seed, purpose, index), never of global state, batch size or device."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

BLOCK = 1 << 15
"""Numbers that a sample draws at once in a long chain."""


def stream(seed: int, purpose: str, index: int = 0) -> torch.Generator:
    """A generator of its own for each (seed, purpose, index); on the CPU, so that noise is the same on every device."""
    digest = hashlib.blake2b(f"{seed}/{purpose}/{index}".encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)


@contextmanager
def seeded(seed: int | None, device: torch.device | str = "cpu") -> Iterator[None]:
    """Torch's own randomness from `seed` inside, on the CPU and `device`, and as it was afterwards; None changes nothing.

    For what takes no generator, as dropout does: with a seed drawn from one it repeats, and survives a resume.
    """
    if seed is None:
        yield
        return
    where = torch.device(device)
    with torch.random.fork_rng(devices=[where] if where.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


class SampleStreams:
    """One stream a sample: what sample i draws depends on (seed, purpose, i) and on the order of its own draws only.

    Args:
        seed, purpose: as in `stream`.
        indices: numbers of the samples.
        device: where the draws are moved to.
    """

    def __init__(self, seed: int, purpose: str, indices: Sequence[int], device: torch.device | str = "cpu") -> None:
        self.seed, self.purpose, self.indices, self.device = seed, purpose, tuple(indices), torch.device(device)
        self._generators = [stream(seed, purpose, index) for index in self.indices]

    def __len__(self) -> int:
        return len(self.indices)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal, (n, *shape), float32. One call with a leading T is much faster than T calls."""
        out = torch.empty(len(self), *shape)
        for row, generator in zip(out, self._generators, strict=True):
            row.normal_(generator=generator)
        return out.to(self.device)

    def normals(self, count: int, *shape: int) -> Iterator[Tensor]:
        """`count` draws of (n, *shape), standard normal, a few at a time: memory does not grow with the count.

        How many at a time depends on the shape alone, so that a sample's noise is the same in any batch.
        """
        block = max(1, BLOCK // max(1, math.prod(shape)))
        for start in range(0, count, block):
            drawn = self.normal(min(block, count - start), *shape)
            yield from drawn.unbind(1)

    def uniform(self, *shape: int) -> Tensor:
        """Uniform in [0, 1), (n, *shape), float32."""
        out = torch.empty(len(self), *shape)
        for row, generator in zip(out, self._generators, strict=True):
            row.uniform_(generator=generator)
        return out.to(self.device)

    def integers(self, high: int, *shape: int) -> Tensor:
        """Uniform integers in [0, high), (n, *shape), int64."""
        out = torch.empty(len(self), *shape, dtype=torch.int64)
        for index, generator in enumerate(self._generators):
            out[index] = torch.randint(high, shape, generator=generator)
        return out.to(self.device)

    def categorical(self, probabilities: Tensor) -> Tensor:
        """One index for each distribution: (n, …, V), summing to 1 over the last axis, -> (n, …) int64.

        By inverting the distribution function in float64, at one uniform number each; an index of
        probability 0 never comes.
        """
        below = probabilities.double().cumsum(-1)
        level = self.uniform(*probabilities.shape[1:-1]).to(below)[..., None] * below[..., -1:]
        return (below <= level).sum(-1)
