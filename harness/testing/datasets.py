"""Conformance of datasets: every process gets the same data, and evaluation sets differ and share nothing with training."""

from __future__ import annotations

import copy
import hashlib
import subprocess
import sys
from functools import partial

import torch

from harness.components import Dataset
from harness.config import Config
from harness.indexed import IndexedExamples, IndexedSource, read_examples
from harness.interfaces import Batch, DataSource, DataSpec, SelectionSource
from harness.streams import stream
from harness.testing.checks import Checks, run_all
from harness.testing.expect import expect

EVALUATION = 64
"""Examples in the evaluation sets that the checks ask for."""


def check_dataset(component: Dataset, *, config: Config | None = None, n: int = EVALUATION) -> None:
    """Run all checks of this module.

    Args:
        config: settings to check with; by default the component's defaults with `smoke`.
        n: examples in each evaluation set; fewer where the dataset cannot give so many.
    Raises: UserError when the dataset's files are absent, AssertionError when the dataset breaks a promise.
    """
    run_all(dataset_checks(component, config=config, n=n))


def dataset_checks(component: Dataset, *, config: Config | None = None, n: int = EVALUATION) -> Checks:
    """Yield the checks of `check_dataset`, which has the same arguments. Raises: UserError when its files are absent."""
    config = config or component.config(**component.smoke)
    component.check_readiness(config)
    source = component.create(config)
    n = min(n, source.largest_evaluation or n)
    yield partial(check_spec_is_the_one_declared, component, config, source)
    yield partial(check_stratified_is_a_text, component, config)
    yield partial(check_held_out_is_the_one_declared, component, config, source)
    yield partial(check_batches, source, n)
    yield partial(check_largest_evaluation, source)
    yield partial(check_data_repeats, component, config, n)
    yield partial(check_evaluation_is_apart, source, n)
    if isinstance(source, SelectionSource):
        yield partial(check_selection_is_apart, source, n)
    if isinstance(source, IndexedSource):
        yield partial(check_rows_are_the_whole, source, n)
    yield partial(check_other_processes_agree, component, config, n)


def check_spec_is_the_one_declared(component: Dataset, config: Config, source: DataSource) -> None:
    """Check that `spec`, with which boards are checked before any data are read, says what the data are."""
    given: object = source.spec
    expect(isinstance(given, DataSpec), f"{component.name}: spec is a {type(given).__name__}, not a harness.interfaces.DataSpec")
    declared = component.known_spec(config)
    if declared is not None:
        expect(declared == source.spec, f"{component.name}: {component.spec} gave {declared}, but the data are {source.spec}")


def check_stratified_is_a_text(component: Dataset, config: Config) -> None:
    """Check that `stratified`, where there is one, gives at most a line of text for pages."""
    text: object = component.stratification(config)
    is_line = isinstance(text, str) and "\n" not in text
    expect(is_line, f"{component.name}: stratified gave {text!r}; it must give a line of text, or nothing")


def check_held_out_is_the_one_declared(component: Dataset, config: Config, source: DataSource) -> None:
    """Check that `held_out`, which tests take where a record does not say it, fits the largest evaluation set, a half of it."""
    declared: object = component.known_held_out(config)
    if declared is None:
        return
    expect(
        isinstance(declared, int) and declared >= 0, f"{component.name}: held_out gave {declared!r}; it must give a number >= 0"
    )
    largest = source.largest_evaluation or 0
    fits = isinstance(declared, int) and declared // 2 == largest
    expect(fits, f"{component.name}: held_out gave {declared}, but the largest evaluation set has {largest}, not half of that")


def check_batches(source: DataSource, n: int) -> None:
    """Check that shapes, types, ranges and labels are what the spec says."""
    check_batch(source.train(), source.spec, "train()")
    evaluation = source.evaluation(0, n)
    check_batch(evaluation, source.spec, f"evaluation(0, {n})")
    expect(len(evaluation) == n, f"evaluation(0, {n}) gave {len(evaluation)} examples")


def check_batch(batch: Batch, spec: DataSpec, what: str) -> None:
    """Check one batch against the spec; `what` begins the message."""
    given: object = batch
    expect(isinstance(given, Batch), f"{what} gave a {type(given).__name__}, not a harness.interfaces.Batch")
    for name, part in (("x", batch.x), ("labels", batch.labels)):
        is_tensor = isinstance(part, torch.Tensor) or (part is None and name == "labels")
        expect(is_tensor, f"{what}: {name} is a {type(part).__name__}, not a tensor")
    expect(len(batch) > 0, f"{what} is empty")
    shape = tuple(batch.x.shape[1:])
    expect(shape == spec.shape, f"{what}: examples are {shape}, the spec says {spec.shape}")
    expect(batch.x.dtype == torch.float32, f"{what}: x is {batch.x.dtype}, not float32")
    expect(batch.x.isfinite().all(), f"{what}: values that are not finite")
    if spec.preview == "images":
        low, high = float(batch.x.min()), float(batch.x.max())
        expect(low >= -1 and high <= 1, f"{what}: images run from {low:g} to {high:g}; scale them to [-1, 1]")
    expect((batch.labels is None) == (spec.classes == 0), f"{what}: labels and spec.classes = {spec.classes} disagree")
    if batch.labels is not None:
        is_plain = batch.labels.dtype == torch.int64 and batch.labels.shape == (len(batch),)
        expect(is_plain, f"{what}: labels are {tuple(batch.labels.shape)} {batch.labels.dtype}, not (n,) int64")
        is_inside = (batch.labels >= 0) & (batch.labels < spec.classes)
        expect(is_inside.all(), f"{what}: labels outside [0, {spec.classes})")


def check_largest_evaluation(source: DataSource) -> None:
    """Check that the dataset gives as many examples as `largest_evaluation` says, and refuses one more with a ValueError."""
    largest = source.largest_evaluation
    if largest is None:
        return
    expect(largest >= 1, f"largest_evaluation is {largest}; a dataset gives at least one example")
    expect(len(source.evaluation(0, largest)) == largest, f"evaluation(0, {largest}), its largest, gave another number")
    try:
        source.evaluation(0, largest + 1)
    except ValueError:
        return
    raise AssertionError(f"evaluation(0, {largest + 1}) gave examples, but largest_evaluation is {largest}; raise ValueError")


def data_hash(source: DataSource, n: int) -> str:
    """Return a hash over the fingerprint, the training data and two evaluation sets."""
    batches = [source.train(), source.evaluation(0, n), source.evaluation(1, n)]
    whole = hashlib.sha256(source.fingerprint.encode())
    for batch in batches:
        whole.update(batch.x.contiguous().numpy().tobytes())
        if batch.labels is not None:
            whole.update(batch.labels.numpy().tobytes())
    return whole.hexdigest()


def check_data_repeats(component: Dataset, config: Config, n: int) -> None:
    """Check that two objects with the same settings hold the same data, in whatever order they are asked for it."""
    first, second = component.create(config), component.create(config)
    second.evaluation(1, n)
    expect(data_hash(first, n) == data_hash(second, n), f"{component.name}: the same settings give other data")


def check_evaluation_is_apart(source: DataSource, n: int) -> None:
    """Check that two evaluation sets differ, and that they share no example with the training data."""
    first, second = source.evaluation(0, n), source.evaluation(1, n)
    expect(not torch.equal(first.x, second.x), "evaluation draws 0 and 1 are the same")
    known = {row.numpy().tobytes() for row in source.train().x}
    shared = sum(row.numpy().tobytes() in known for row in torch.cat([first.x, second.x]))
    expect(not shared, f"{shared} evaluation examples are training examples")


def check_selection_is_apart(source: SelectionSource, n: int) -> None:
    """Check that examples kept for the curve are as many as the dataset says, in the form of all, and in no other part."""
    largest = source.largest_selection
    if largest is None:
        return
    expect(largest >= 1, f"largest_selection is {largest}; leave it None where no examples are kept")
    kept = source.selection(0, largest)
    check_batch(kept, source.spec, f"selection(0, {largest})")
    expect(len(kept) == largest, f"selection(0, {largest}), its largest, gave {len(kept)} examples")
    expect(torch.equal(kept.x, source.selection(0, largest).x), "selection(0, n) gives other examples at the second call")
    n = source.largest_evaluation or n
    others = [source.train().x, source.evaluation(0, n).x, source.evaluation(1, n).x]
    known = {row.numpy().tobytes() for row in torch.cat(others)}
    shared = sum(row.numpy().tobytes() in known for row in kept.x)
    expect(not shared, f"{shared} examples kept for the curve are examples of training or evaluation")
    try:
        source.selection(0, largest + 1)
    except ValueError:
        return
    raise AssertionError(f"selection(0, {largest + 1}) gave examples, but largest_selection is {largest}; raise ValueError")


def check_rows_are_the_whole(source: IndexedSource, n: int) -> None:
    """Check that sets give the examples of `train`, `evaluation` and `selection`, by any rows, and can go to other processes."""
    training = source.training_set()
    expect(training.spec == source.spec, f"training_set() is of {training.spec}, and the dataset of {source.spec}")
    expect(training.fingerprint == source.fingerprint, "training_set() has another fingerprint than the dataset")
    parts: dict[str, tuple[IndexedExamples, Batch]] = {"training_set()": (training, source.train())}
    parts[f"evaluation_set(1, {n})"] = source.evaluation_set(1, n), source.evaluation(1, n)
    if largest := source.largest_selection:
        parts[f"selection_set(0, {largest})"] = source.selection_set(0, largest), source.selection(0, largest)
    for what, (examples, expected) in parts.items():
        expect(len(examples) == len(expected), f"{what} has {len(examples)} examples, and the whole {len(expected)}")
        count = min(len(expected), EVALUATION)
        rows = torch.cat([torch.randperm(len(expected), generator=stream(0, what))[:count], torch.zeros(1, dtype=torch.int64)])
        for reader in (examples, copy.deepcopy(examples)):  # the copy is made as the one for another process is
            batch = read_examples(reader, rows)
            expect(torch.equal(batch.x, expected.x[rows]), f"{what}: read(rows) gives other examples than the whole set")
            labels = None if expected.labels is None else expected.labels[rows].tolist()
            given = None if batch.labels is None else batch.labels.tolist()
            expect(given == labels, f"{what}: read(rows) gives other labels than the whole set")


def check_other_processes_agree(component: Dataset, config: Config, n: int) -> None:
    """Check that a fresh process gives the same data: nothing may depend on hash seeds, time, or what was imported before."""
    code = (
        "import sys\n"
        "from importlib import import_module\n"
        f"config = import_module({type(config).__module__!r}).{type(config).__qualname__}.model_validate_json(sys.argv[1])\n"
        "from harness.components import Dataset\n"
        "from harness.testing.datasets import data_hash\n"
        f"component = Dataset({component.name!r}, build={component.build!r}, summary='')\n"
        f"print(data_hash(component.create(config), {n}))\n"
    )
    command = [sys.executable, "-c", code, config.model_dump_json()]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    expect(run.returncode == 0, f"{component.name} fails in a fresh process:\n{run.stderr}")
    agrees = run.stdout.strip() == data_hash(component.create(config), n)
    expect(agrees, f"{component.name}: another process gives other data")
