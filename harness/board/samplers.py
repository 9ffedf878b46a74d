"""Samplers that the evaluation of a board compares: each draws from the same fine-tuned weights. Picklable."""

from __future__ import annotations

from dataclasses import dataclass, replace

from harness.board.components import Resolved
from harness.components import Sampler


@dataclass(frozen=True)
class SweepPoint:
    """The place of a sampler in a sweep.

    Args:
        sweep: name of the entry of `evaluation.samplers`, which all samplers of the sweep share.
        label: the entry's name in tables and plots.
        setting: the setting that the sweep varies, such as `weight`.
        value: the setting's value of this sampler.
    """

    sweep: str
    label: str
    setting: str
    value: float


@dataclass(frozen=True)
class EvaluationSampler:
    """A sampler of `evaluation.samplers`, or one point of a sweep there.

    Args:
        name: part of the names of rows, cells and records: `heun-18`, `cfg-0.5`.
        label: name of the sampler in tables.
        sampler: the sampler, with the bases that its settings name; of bases of several seeds the first.
        point: None for a sampler that is no part of a sweep.
        by_seed: the sampler with the bases of each seed; the first is `sampler`.
    """

    name: str
    label: str
    sampler: Resolved[Sampler]
    point: SweepPoint | None = None
    by_seed: tuple[Resolved[Sampler], ...] = ()

    def paired(self, index: int) -> EvaluationSampler:
        """Return the sampler that calls the bases of one seed. index: which of the seeds of the base that is sampled from."""
        return replace(self, sampler=self.by_seed[index % len(self.by_seed)], by_seed=()) if self.by_seed else self
