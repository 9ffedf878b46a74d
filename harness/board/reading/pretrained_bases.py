"""Bases that the board pretrains, in one step or in several."""

from __future__ import annotations

from collections.abc import Sequence

from harness.board.bases import Base, Pretrained
from harness.board.components import Resolved
from harness.board.reading.base_entry import BaseEntry
from harness.board.reading.data_fit import model_fault, spec_of
from harness.board.reading.reader import BoardReader
from harness.board.reading.samplers import check_sampler, read_sampler
from harness.board.reading.skips import augment_reason, flip_reason, lacks, micro_batch_reason
from harness.board.reading.yaml_file import Location
from harness.board.schema import BoardConfig, PretrainConfig
from harness.components import Method, Model
from harness.interfaces import DataSpec
from harness.training.config import TrainingConfig

Step = tuple[Resolved[Method], TrainingConfig]
"""Method and budget of a step of pretraining."""


def read_pretrained(
    reader: BoardReader, board: BoardConfig, base: BaseEntry, configs: Sequence[PretrainConfig]
) -> tuple[Base, ...]:
    """Read a base with `pretrain`. Returns: the base, or one for each of its seeds; empty after a fault that leaves no base."""
    assert base.config.model is not None  # BaseConfig sees to it
    model, dataset = reader.resolve(Model, base.config.model, base.at("model")), base.dataset
    locations = _step_locations(reader, base, len(configs))
    steps = [_read_step(reader, board, config, place) for config, place in zip(configs, locations, strict=True)]
    seeds = _count_seeds(reader, board, configs, locations)
    if model is None or dataset is None:
        return ()
    sampler = read_sampler(reader, base, model)
    if (misfit := model_fault(model, spec_of(dataset))) is not None:
        reader.add_fault(base.at("model"), misfit)
    valid_steps = _check_steps(reader, steps, model, spec_of(dataset), locations)
    if sampler is None or seeds is None or len(valid_steps) < len(configs):
        return ()
    check_sampler(reader, sampler, model, base)

    def pretrained(index: int) -> Base:
        """Make the base of one of the seeds, step by step."""
        made: Base | None = None
        paired: int | None = None  # a step before the first with seeds is one for all bases
        for config, (method, training) in zip(configs, valid_steps, strict=True):
            if paired is None and config.seeds:
                paired = config.seeds[index]
            origin = Pretrained(model, sampler, method, training, config.seed_of(index), after=made)
            made = Base(base.name, base.label, dataset, origin, paired_seed=paired)
        assert made is not None  # a base has a step at least
        return made

    return tuple(pretrained(index) for index in range(seeds))


def _count_seeds(
    reader: BoardReader, board: BoardConfig, configs: Sequence[PretrainConfig], locations: Sequence[Location]
) -> int | None:
    """Return for how many seeds the base is pretrained. Returns: None after a fault in the lists of seeds."""
    count: int | None = None
    for config, location in zip(configs, locations, strict=True):
        if not config.seeds:
            continue
        number, place = len(config.seeds), (*location, "seeds")
        if count is not None and number != count:
            reader.add_fault(place, f"seeds: {number} seeds, and an earlier step has {count}")
            return None
        if number > len(board.seeds):
            cells = f"the board has {len(board.seeds)}, so that no cell would start from the last ones"
            reader.add_fault(place, f"seeds: {number} seeds, and {cells}")
            return None
        count = number
    return 1 if count is None else count


def _step_locations(reader: BoardReader, base: BaseEntry, count: int) -> list[Location]:
    """Return where each step stands in the file: a single step may be written without a list."""
    is_list = base.at("pretrain", 0) in reader.source.lines
    return [base.at("pretrain", index) if is_list else base.at("pretrain") for index in range(count)]


def _read_step(reader: BoardReader, board: BoardConfig, config: PretrainConfig, location: Location) -> Step | None:
    """Read a step of pretraining. Returns: None after a fault in the method or the budget."""
    method = reader.resolve(Method, config.method, (*location, "method"))
    training = reader.training(board, config.training.model_dump(), (*location, "training"))
    if method is None or training is None:
        return None
    if not method.component.from_scratch:
        names = ", ".join(_methods_from_scratch(reader))
        reader.add_fault((*location, "method"), f"{method.name} cannot train from scratch; these can: {names}")
    if config.training.select != "last":
        reader.add_fault((*location, "training", "select"), "select: a pretrained base is always the last weights")
    return method, training


def _methods_from_scratch(reader: BoardReader) -> list[str]:
    methods = {name: provided.component for name, provided in reader.plugins.all("method").items()}
    return [name for name, method in methods.items() if isinstance(method, Method) and method.from_scratch]


def _check_steps(
    reader: BoardReader,
    steps: Sequence[Step | None],
    model: Resolved[Model],
    spec: DataSpec | None,
    locations: Sequence[Location],
) -> list[Step]:
    """Return the steps that could be read. Add a fault where a method cannot train the model as the budget asks."""
    valid: list[Step] = []
    for step, location in zip(steps, locations, strict=True):
        if step is None:
            continue
        method, training = step
        if missing := lacks(method.component.needs, model.component):
            reader.add_fault((*location, "method"), f"{model.name} lacks {', '.join(missing)}, which {method.name} needs")
        if reason := micro_batch_reason(method.component, model.component, training):
            reader.add_fault((*location, "training", "micro_batch"), reason)
        if reason := flip_reason(method.component, spec, training):
            reader.add_fault((*location, "training", "flip"), reason)
        if reason := augment_reason(method.component, model, spec, training):
            reader.add_fault((*location, "training", "augment"), reason)
        valid.append(step)
    return valid
