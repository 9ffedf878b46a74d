"""Bases of a board: pretrained by it, or data in the place of a model; those that are loaded have a file of their own."""

from __future__ import annotations

from harness.board.bases import Base, Examples, Pretrained
from harness.board.components import Resolved
from harness.board.reading.data_fit import model_fault, spec_of
from harness.board.reading.loaded_bases import loaded_base
from harness.board.reading.reader import BoardReader
from harness.board.reading.samplers import check_sampler, read_sampler
from harness.board.reading.skips import lacks, parts_reason
from harness.board.reading.yaml_file import Location
from harness.board.schema import BaseConfig, BoardConfig, PretrainConfig, ReferenceConfig
from harness.components import Dataset, Method, Model
from harness.training.config import TrainingConfig

Step = tuple[Resolved[Method], TrainingConfig]
"""Method and budget of a step of pretraining."""


def read_base(
    reading: BoardReader, config: BoardConfig, name: str, entry: BaseConfig, dataset: Resolved[Dataset] | None
) -> Base | None:
    """An entry of `bases`; None after a fault that leaves no base. dataset: the board's, None after a fault in it."""
    if entry.data is not None:
        return _data_base(reading, name, entry, entry.data, dataset)
    if entry.weights is not None:
        return loaded_base(reading, name, entry, entry.weights, dataset)
    return _pretrained_base(reading, config, name, entry, dataset)


def _data_base(
    reading: BoardReader, name: str, entry: BaseConfig, given: ReferenceConfig, dataset: Resolved[Dataset] | None
) -> Base | None:
    at = ("bases", name, "data")
    examples = reading.resolve(Dataset, given, at)
    if examples is None or dataset is None:
        return None
    own, boards = spec_of(examples), spec_of(dataset)
    if own is not None and boards is not None and own.shape != boards.shape:
        text = f"examples of {examples.name} have the shape {own.shape}, those of {dataset.name} {boards.shape}"
        reading.fault(at, text)
    return Base(name, entry.label or name, dataset, Examples(examples))


def _pretrained_base(
    reading: BoardReader, config: BoardConfig, name: str, entry: BaseConfig, dataset: Resolved[Dataset] | None
) -> Base | None:
    at: Location = ("bases", name)
    assert entry.pretrain is not None
    assert entry.model is not None
    model = reading.resolve(Model, entry.model, (*at, "model"))
    places = _places(reading, entry.pretrain, at)
    steps = [_step(reading, config, step, where) for step, where in zip(entry.pretrain, places, strict=True)]
    if model is None or dataset is None:
        return None
    sampler = read_sampler(reading, entry, model, at)
    if (misfit := model_fault(model, spec_of(dataset))) is not None:
        reading.fault((*at, "model"), misfit)
    whole = [step for step in steps if step is not None]
    for step, where in zip(steps, places, strict=True):
        if step is not None:
            _check_step(reading, step, model, where)
    if sampler is None or len(whole) < len(steps):
        return None
    check_sampler(reading, sampler, model, at)
    base: Base | None = None
    for given, (method, training) in zip(entry.pretrain, whole, strict=True):
        origin = Pretrained(model, sampler, method, training, given.seed, after=base)
        base = Base(name, entry.label or name, dataset, origin)
    return base


def _places(reading: BoardReader, steps: list[PretrainConfig], at: Location) -> list[Location]:
    """Where each step of pretraining stands: a single one may be written without a list."""
    is_listed = (*at, "pretrain", 0) in reading.source.lines
    return [(*at, "pretrain", *((index,) if is_listed else ())) for index in range(len(steps))]


def _step(reading: BoardReader, config: BoardConfig, step: PretrainConfig, where: Location) -> Step | None:
    """None after a fault in the method or the budget."""
    method = reading.resolve(Method, step.method, (*where, "method"))
    training = reading.training(config, step.training.model_dump(), (*where, "training"))
    if method is None or training is None:
        return None
    if not method.component.from_scratch:
        known = reading.plugins.all("method").items()
        able = [name for name, one in known if getattr(one.component, "from_scratch", False)]
        reading.fault((*where, "method"), f"{method.name} cannot train from scratch; these can: {', '.join(able)}")
    if step.training.select != "last":
        reading.fault((*where, "training", "select"), "select: a pretrained base is always the last weights")
    return method, training


def _check_step(reading: BoardReader, step: Step, model: Resolved[Model], where: Location) -> None:
    """Faults where the method cannot train the model, or not in micro-batches."""
    method, training = step
    if missing := lacks(method.component.needs, model.component):
        reading.fault((*where, "method"), f"{model.name} lacks {', '.join(missing)}, which {method.name} needs")
    if reason := parts_reason(method.component, model.component, training):
        reading.fault((*where, "training", "micro_batch"), reason)
