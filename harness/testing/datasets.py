"""Conformance of datasets: the same data in every process, and evaluation sets apart from training and each other."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from typing import cast

import torch

from harness.components import Dataset
from harness.config import Config
from harness.interfaces import Batch, DataSource, DataSpec
from harness.testing.expect import expect

EVALUATION = 64


def check_dataset(component: Dataset, *, config: Config | None = None, n: int = EVALUATION) -> None:
    """All checks of this module; n is the size of the evaluation sets it asks for."""
    config = config or component.config(**component.smoke)
    source = build(component, config)
    check_spec_is_the_one_declared(component, config, source)
    check_batches(source, n)
    check_data_repeats(component, config, n)
    check_evaluation_is_apart(source, n)
    check_other_processes_agree(component, config, n)


def build(component: Dataset, config: Config) -> DataSource:
    """The dataset's object."""
    source = component.load()(config)
    expect(isinstance(source, DataSource), f"{component.build} gave {type(source).__name__}, which is no DataSource")
    return cast(DataSource, source)


def check_spec_is_the_one_declared(component: Dataset, config: Config, source: DataSource) -> None:
    """What the component says without reading data is what the data are; boards are checked with it."""
    if (declared := component.known_spec(config)) is not None:
        expect(declared == source.spec, f"{component.name}: {component.spec} gave {declared}, but the data are {source.spec}")


def check_batches(source: DataSource, n: int) -> None:
    """Shapes, types and labels are what the spec says."""
    _check_batch(source.train(), source.spec, "train()")
    evaluation = source.evaluation(0, n)
    _check_batch(evaluation, source.spec, "evaluation(0, n)")
    expect(len(evaluation) == n, f"evaluation(0, {n}) gave {len(evaluation)} examples")


def _check_batch(batch: Batch, spec: DataSpec, what: str) -> None:
    expect(len(batch) > 0, f"{what} is empty")
    shape = tuple(batch.x.shape[1:])
    expect(shape == spec.shape, f"{what}: examples are {shape}, the spec says {spec.shape}")
    expect(batch.x.dtype == torch.float32, f"{what}: x is {batch.x.dtype}, not float32")
    expect(batch.x.isfinite().all(), f"{what}: values that are not finite")
    expect((batch.labels is None) == (spec.classes == 0), f"{what}: labels and spec.classes = {spec.classes} disagree")
    if batch.labels is not None:
        plain = batch.labels.dtype == torch.int64 and batch.labels.shape == (len(batch),)
        expect(plain, f"{what}: labels are not (n,) int64")
        inside = (batch.labels >= 0) & (batch.labels < spec.classes)
        expect(inside.all(), f"{what}: labels outside [0, {spec.classes})")


def digest(source: DataSource, n: int) -> str:
    """A hash over the fingerprint, the training data and two evaluation sets."""
    parts = [source.train(), source.evaluation(0, n), source.evaluation(1, n)]
    whole = hashlib.sha256(source.fingerprint.encode())
    for part in parts:
        whole.update(part.x.contiguous().numpy().tobytes())
        if part.labels is not None:
            whole.update(part.labels.numpy().tobytes())
    return whole.hexdigest()


def check_data_repeats(component: Dataset, config: Config, n: int) -> None:
    """Two objects with the same settings hold the same data, in whatever order they are asked."""
    first, second = build(component, config), build(component, config)
    second.evaluation(1, n)
    expect(digest(first, n) == digest(second, n), f"{component.name}: the same settings give other data")


def check_evaluation_is_apart(source: DataSource, n: int) -> None:
    """No two evaluation sets are equal, and none shares an example with the training data."""
    first, second = source.evaluation(0, n), source.evaluation(1, n)
    expect(not torch.equal(first.x, second.x), "evaluation draws 0 and 1 are the same")
    known = {row.numpy().tobytes() for row in source.train().x}
    shared = sum(row.numpy().tobytes() in known for row in torch.cat([first.x, second.x]))
    expect(not shared, f"{shared} evaluation examples are training examples")


def check_other_processes_agree(component: Dataset, config: Config, n: int) -> None:
    """A fresh process gives the same data: nothing hangs on hash seeds, time, or what was imported before."""
    module = type(config).__module__
    code = (
        "import sys\n"
        "from importlib import import_module\n"
        "from harness.components import Dataset\n"
        "from harness.testing.datasets import build, digest\n"
        f"config = import_module({module!r}).{type(config).__qualname__}.model_validate_json(sys.argv[1])\n"
        f"print(digest(build(Dataset({component.name!r}, build={component.build!r}, summary=''), config), {n}))\n"
    )
    command = [sys.executable, "-c", code, config.model_dump_json()]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    expect(run.returncode == 0, f"{component.name} fails in a fresh process:\n{run.stderr}")
    same = run.stdout.strip() == digest(build(component, config), n)
    expect(same, f"{component.name}: another process gives other data")
