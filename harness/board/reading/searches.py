"""The searches of a board, checked before anything runs: methods, bases, seeds, budgets, and the ends of every range."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ValidationError

from harness.board.grids import LONGEST_NAME, value_text
from harness.board.points import point_text, setting_path, trial_name, with_point
from harness.board.reading.method_grids import has_grid
from harness.board.reading.methods import NO_TRAINING
from harness.board.reading.reader import BoardReader
from harness.board.reading.schema_keys import annotation_at, fields_at, plain_types
from harness.board.reading.yaml_file import Location
from harness.board.schema import BoardConfig, MethodConfig
from harness.board.search_settings import DimensionConfig, Point, SearchConfig, Value
from harness.components import Method
from harness.config import unused_paths
from harness.errors import nearest
from harness.training.config import TrainingConfig
from harness.validation import setting_faults

LONGEST_NUMBER = 0.00012345
"""A number that takes as many letters in a name as any number of a search."""


@dataclass(frozen=True)
class Dimension:
    """A searched setting.

    Args:
        low, high, log, choices: as the board has them.
        is_whole: whether the setting is a whole number.
    """

    low: float
    high: float
    log: bool
    choices: tuple[Value, ...]
    is_whole: bool

    @property
    def ends(self) -> tuple[Value, ...]:
        """All choices, or the smallest and the largest value."""
        if self.choices:
            return self.choices
        return (int(self.low), int(self.high)) if self.is_whole else (self.low, self.high)


def check_searches(reader: BoardReader, board: BoardConfig) -> None:
    """Add the faults of all searches. board: as the file has it, with grids, and without chosen settings."""
    files: dict[str, str] = {}
    for name, search in board.search.items():
        other = files.setdefault(search.chosen, name)
        if other != name:
            reader.add_fault(("search", name, "chosen"), f"{search.chosen}: the search {other!r} writes this file too")
        _check_metric(reader, board, name, search)
        _check_seeds(reader, board, name, search)
        _check_bases(reader, board, name, search)
        _check_method(reader, board, name, search)


def dimensions(method: Method, search: SearchConfig) -> dict[str, Dimension]:
    """Return the searched settings by their dotted paths."""
    return {dotted: _dimension(method, dotted, config) for dotted, config in search.space.items()}


def _dimension(method: Method, dotted: str, config: DimensionConfig) -> Dimension:
    head, *keys = setting_path(dotted)
    schema = TrainingConfig if head == "training" else method.config
    annotation = annotation_at(schema, tuple(keys))
    low, high = config.low or 0.0, config.high or 0.0
    kinds = plain_types(annotation)
    is_whole = int in kinds and float not in kinds if kinds else low.is_integer() and high.is_integer()
    return Dimension(low, high, config.log, tuple(config.choices), is_whole)


def _check_metric(reader: BoardReader, board: BoardConfig, name: str, search: SearchConfig) -> None:
    if search.metric is not None and search.metric not in board.metrics:
        reader.add_unknown(("search", name, "metric"), "metric", search.metric, board.metrics)
    if search.metric is None and board.curve is None:
        reader.add_fault(("search", name), "'metric' is missing: the board has no curve, whose metric is the default")
    metric = search.metric or (board.curve.metric if board.curve else None)
    if metric in board.metrics and not board.metrics[metric].ranks:
        reader.add_fault(("search", name, "metric"), f"{metric} has ranks: false, and no value of it is better than another")


def _check_seeds(reader: BoardReader, board: BoardConfig, name: str, search: SearchConfig) -> None:
    for index, seed in enumerate(search.seeds):
        if seed in board.seeds:
            text = f"seed {seed} is one of the board's seeds: settings would be chosen by what the board measures; take others"
            reader.add_fault(("search", name, "seeds", index), text)


def _check_bases(reader: BoardReader, board: BoardConfig, name: str, search: SearchConfig) -> None:
    for index, base in enumerate(search.bases):
        location: Location = ("search", name, "bases", index)
        if base not in board.bases:
            reader.add_unknown(location, "base", base, board.bases)
        elif board.bases[base].data is not None:
            reader.add_fault(location, f"{base} is data: no method trains it")
        else:
            seed = pretrain_seed(search)
            own = {step.seed_of(place) for step in board.bases[base].pretrain or () for place in range(len(step.seeds) or 1)}
            if seed in own:
                text = f"pretrain_seed {seed} is a seed of {base} on the board: take another, or write `pretrain_seed: board`"
                place: Location = ("pretrain_seed",) if search.pretrain_seed is not None else ("seeds",)
                reader.add_fault(("search", name, *place), text)


def pretrain_seed(search: SearchConfig) -> int | None:
    """Return the seed with which bases are made for the search; None where the search starts from the board's own."""
    if search.pretrain_seed == "board":
        return None
    return search.seeds[0] if search.pretrain_seed is None else search.pretrain_seed


def _check_method(reader: BoardReader, board: BoardConfig, name: str, search: SearchConfig) -> None:
    """Check the method and the space. The method's other settings are checked where it stands."""
    location: Location = ("search", name, "method")
    entry = board.methods.get(search.method)
    if entry is None:
        reader.add_unknown(location, "method", search.method, board.methods)
        return
    if has_grid(entry):
        reader.add_fault(location, f"{search.method} has grids: a search needs an entry without them")
        return
    component = entry.method.name if entry.method else search.method
    with reader.faults.catching(location):
        method = reader.plugins.get(Method, component, where=reader.source.where(location))
        if not method.trains:
            reader.add_fault(location, f"{component} does not train: there is nothing to search")
            return
        with reader.faults.catching(("search", name, "space")):
            _check_space(reader, board, name, method, entry)


def _check_space(reader: BoardReader, board: BoardConfig, name: str, method: Method, entry: MethodConfig) -> None:
    """Add a fault for each value at an end of the space that a setting does not take, and for budgets that are none."""
    search = board.search[name]
    space = dimensions(method, search)
    for dotted, dimension in space.items():
        _check_dimension(reader, ("search", name, "space", dotted), dotted, dimension)
    first = {dotted: dimension.ends[0] for dotted, dimension in space.items()}
    points = [first, *({**first, dotted: end} for dotted, dimension in space.items() for end in dimension.ends[1:])]
    longest = {dotted: max(dimension.choices, key=lambda value: len(str(value)), default=LONGEST_NUMBER)
               for dotted, dimension in space.items()}  # fmt: skip
    if len(example := trial_name(search.method, longest, 10**9)) > LONGEST_NAME:
        text = f"names such as {example!r} have {len(example)} characters: {LONGEST_NAME} at most"
        reader.add_fault(("search", name, "space"), text)
    for point in points:
        for place, text in _faults_of(reader, board, search, method, entry, point):
            reader.add_fault(("search", name, *place), text)
    for dotted in _without_effect(reader, board, search, method, entry, points):
        text = f"{dotted} changes nothing beside the other settings of {search.method}: leave it out"
        reader.add_fault(("search", name, "space", dotted), text)


def _check_dimension(reader: BoardReader, location: Location, dotted: str, dimension: Dimension) -> None:
    if any(value_text(value) is None for value in dimension.choices):
        reader.add_fault(location, f"{dotted}: choices are numbers, true, false, or plain words")
    if dimension.is_whole and not (dimension.low.is_integer() and dimension.high.is_integer()):
        text = f"{dotted} is a whole number, and its range goes from {dimension.low:g} to {dimension.high:g}"
        reader.add_fault(location, text)


def _faults_of(
    reader: BoardReader, board: BoardConfig, search: SearchConfig, method: Method, entry: MethodConfig, point: Point
) -> Iterator[tuple[Location, str]]:
    """Yield where in the search a point does not fit, and why."""
    placed = with_point(search.method, entry, point)
    assert placed.method is not None  # with_point sees to it
    try:
        method.config.model_validate(placed.method.settings, context=reader.context)
    except ValidationError as error:
        yield from _invalid(error, placed.method.settings, method.config, "", point)
    budgets: dict[str, object] = {**(board.training or NO_TRAINING).model_dump(), **placed.training}
    if search.budget is not None:
        budgets["images"] = search.budget
    try:
        training = TrainingConfig.model_validate(budgets)
    except ValidationError as error:
        faults = _invalid(error, budgets, TrainingConfig, "training.", point)
        yield from ((("budget",) if search.budget and place == ("space",) else place, text) for place, text in faults)
        return
    if training.select == "best" and board.curve is None:
        yield ("method",), "select: best needs the board to have a `curve`"
    smallest = rung_images(training, search, 0)
    if search.rungs > 1 and smallest == rung_images(training, search, 1):
        yield ("rungs",), f"{search.rungs} rungs divide {training.steps} steps too far: the first two would be the same"


def _without_effect(
    reader: BoardReader, board: BoardConfig, search: SearchConfig, method: Method, entry: MethodConfig, points: Sequence[Point]
) -> list[str]:
    """Return the searched settings that change nothing at any of these points; none where a point is invalid."""
    idle = set(search.space)
    for point in points:
        placed = with_point(search.method, entry, point)
        assert placed.method is not None  # with_point sees to it
        budgets: dict[str, object] = {**(board.training or NO_TRAINING).model_dump(), **placed.training}
        try:
            settings = method.config.model_validate(placed.method.settings, context=reader.context)
            training = TrainingConfig.model_validate(budgets)
        except ValidationError:
            return []
        of_training = {("training", *path) for path in unused_paths(training)}
        idle &= {".".join(path) for path in (*unused_paths(settings), *of_training)}
    return sorted(idle)


def _invalid(
    error: ValidationError, settings: object, schema: type[BaseModel], prefix: str, point: Point
) -> Iterator[tuple[Location, str]]:
    """Yield the faults of searched settings, and of settings that do not fit each other; the entry of the method has the rest."""
    for fault in setting_faults(error, settings, schema):
        dotted = f"{prefix}{fault.key}"
        if dotted in point and fault.kind == "extra_forbidden":
            known = fields_at(schema, fault.path[:-1])
            hint = nearest(str(fault.path[-1]), known)
            yield ("space", dotted), f"no setting is called {dotted!r}; {hint}settings: {', '.join(known)}"
        elif dotted in point:
            yield ("space", dotted), f"{prefix}{fault}"
        elif not fault.location:
            yield ("space",), f"at {point_text(point)}: {fault}"


def rung_images(training: TrainingConfig, search: SearchConfig, rung: int) -> int:
    """Return the training images of a rung, a whole number of steps; those of the last one are the whole budget.

    Args:
        rung: from 0 for the smallest budget.
    """
    steps = round(training.steps / search.reduction ** (search.rungs - 1 - rung))
    return max(1, steps) * training.batch
