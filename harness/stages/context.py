"""What every stage of a job has at hand."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from harness.board.components import Resolved
from harness.components import Dataset, Extractor, Method, Metric, Model, Sampler
from harness.interfaces import (
    Batch,
    DataSource,
    DataSpec,
    FeatureExtractor,
    FeatureMetricFunction,
    MetricFunction,
    SampleFunction,
)
from harness.plugins import registry
from harness.stages.checked import CheckedSource
from harness.stages.options import JobOptions
from harness.store.progress import Reporter
from harness.store.runs_folder import RunsFolder
from harness.streams import stream
from harness.training.loop import Listener

if TYPE_CHECKING:
    from harness.features import FeatureSet
    from harness.training.method import FinetuneMethod
    from harness.training.task import LiveTask


FEATURE_SETS = 8
"""Image sets whose features stay in memory: moments of 2048 features are 34 MB each."""


@dataclass(frozen=True)
class Context:
    """Of one job in one process."""

    layout: RunsFolder
    options: JobOptions
    job: str
    reporter: Reporter = field(init=False)
    feature_sets: dict[str, FeatureSet] = field(init=False, default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "reporter", Reporter(self.layout, self.job))

    def remember_features(self, key: str, found: FeatureSet) -> None:
        """Keep a set in memory for the next metrics, and let the oldest of many go."""
        self.feature_sets.pop(key, None)
        while len(self.feature_sets) >= FEATURE_SETS:
            self.feature_sets.pop(next(iter(self.feature_sets)))
        self.feature_sets[key] = found

    @cached_property
    def device(self) -> torch.device:
        name = self.options.device
        if name == "auto":
            name = "cuda" if torch.cuda.is_available() else "cpu"
        if name.startswith("cuda"):
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what deterministic cuBLAS asks for
            torch.use_deterministic_algorithms(True)
            torch.backends.cudnn.benchmark = False
        return torch.device(name)

    def listener(self, cell: str) -> Listener:
        """Tells plugins and the progress file."""

        def logged(step: int, steps: int, values: Mapping[str, float]) -> None:
            self.reporter.step(step, steps, values)
            registry().listen("harness_step_logged", cell=cell, step=step, steps=steps, values=values)

        def saved(step: int, folder: Path) -> None:
            registry().listen("harness_checkpoint_written", cell=cell, step=step, folder=folder)

        return Listener(logged, saved)


_DATASETS: dict[str, DataSource] = {}
_TRAINING: dict[tuple[str, torch.device], Batch] = {}


def dataset(resolved: Resolved[Dataset]) -> DataSource:
    """The dataset, built once a process; what it gives is checked."""
    key = json.dumps(resolved.identity, sort_keys=True)
    if key not in _DATASETS:
        source = resolved.component.create(resolved.settings)
        _DATASETS[key] = CheckedSource(resolved.name, source)
    return _DATASETS[key]


def training_data(source: DataSource, device: torch.device) -> Batch:
    """All training examples, on the device, read once a process."""
    key = (source.fingerprint, device)
    if key not in _TRAINING:
        _TRAINING[key] = source.train().to(device)
    return _TRAINING[key]


def model(resolved: Resolved[Model], spec: DataSpec, device: torch.device, *, seed: int = 0) -> torch.nn.Module:
    """A network with initial weights from the seed, in eval mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream(seed, "initial weights").initial_seed())
        built = resolved.component.create(resolved.settings, spec)
    return built.to(device).eval()


def method(resolved: Resolved[Method], task: LiveTask, *, seed: int) -> FinetuneMethod:
    """A method at its start; its extra networks are initialised from the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream(seed, "initial method").initial_seed())
        return resolved.component.create(resolved.settings, task)


def sampler(resolved: Resolved[Sampler]) -> SampleFunction:
    """The sampler."""
    return resolved.component.create(resolved.settings)


def metric(resolved: Resolved[Metric]) -> MetricFunction:
    """The metric."""
    return resolved.component.create(resolved.settings)


def feature_metric(resolved: Resolved[Metric]) -> FeatureMetricFunction:
    """A metric that compares features."""
    return resolved.component.create_on_features(resolved.settings)


_EXTRACTORS: dict[tuple[str, torch.device], FeatureExtractor] = {}


def extractor(resolved: Resolved[Extractor], device: torch.device) -> FeatureExtractor:
    """The extractor, built once a process. Raises: UserError when its weights are absent."""
    key = (json.dumps(resolved.identity, sort_keys=True), device)
    if key not in _EXTRACTORS:
        resolved.component.check_readiness(resolved.settings)
        with torch.random.fork_rng(devices=[]):
            built = resolved.component.create(resolved.settings)
        if isinstance(built, torch.nn.Module):
            built.to(device).eval().requires_grad_(False)
        _EXTRACTORS[key] = built
    return _EXTRACTORS[key]
