"""Methods of a board, each with its budget."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.board.cells import Cell
from harness.board.components import Resolved
from harness.board.grids import split_point
from harness.board.reading.reader import BoardReader
from harness.board.schema import BoardConfig, ComponentEntry, MethodConfig
from harness.components import Method
from harness.config import Config, unused_paths, value_at, without_unused
from harness.training.config import TrainingConfig
from harness.training.rounds import RoundsConfig, rounds_of

NO_TRAINING = TrainingConfig(images=1, batch=1)
"""Stands for the budget where no method trains and the board gives none."""


@dataclass(frozen=True)
class BoardMethod:
    """A method, and how the board uses it.

    Args:
        training: the budget of the cells, which a smoke run makes smaller.
        full_training: the budget that the board asks for.
    """

    name: str
    config: MethodConfig
    method: Resolved[Method]
    training: TrainingConfig
    full_training: TrainingConfig

    @property
    def label(self) -> str:
        """Name of the method in tables."""
        return self.config.label or self.name

    @property
    def cells_identity(self) -> str:
        """Text that is equal for two methods whose cells would be the same, in the full run: a smoke run may make two alike.

        Settings that change nothing beside the others are left out.
        """
        parts = [str(without_unused(config, config.identity)) for config in self._configs]
        return "/".join([self.method.name, *parts, str(self.config.only)])

    @property
    def unused(self) -> dict[str, object]:
        """The values of the settings that change nothing beside the others, by dotted name: `{"optimizer.lr": 0.001}`."""
        return {".".join(path): value_at(config.identity, path) for config in self._configs for path in unused_paths(config)}

    @property
    def _configs(self) -> list[Config]:
        settings = self.method.full or self.method.settings
        return [settings, self.full_training] if self.method.component.trains else [settings]


def read_method(reader: BoardReader, board: BoardConfig, name: str, config: MethodConfig) -> BoardMethod | None:
    """Read an entry of `methods`. Returns: None after a fault."""
    location = ("methods", split_point(name)[0])
    entry = config.method or ComponentEntry(name=name)
    method = reader.resolve(Method, entry, (*location, "method") if config.method else location)
    if board.training is None and method is not None and method.component.trains:
        reader.add_fault((*location, "training"), f"'training' of the board is missing: {method.name} trains")
    common = board.training or NO_TRAINING
    budget = {**common.model_dump(), **config.training}
    if method is not None and not method.component.sees_data:
        budget["flip"] = False  # no real example is there to be mirrored, and the page would say that they are
    training = reader.training(board, budget, (*location, "training"))
    if training is not None and training.select == "best" and board.curve is None:
        reader.add_fault((*location, "training", "select"), "select: best needs the board to have a `curve`")
    if method is not None and training is not None:
        for fault in _round_faults(
            rounds_of(method.settings), training, has_curve=board.curve is not None, is_smoke=reader.is_smoke
        ):
            reader.add_fault((*location, "method"), f"{method.name}: {fault}")
    if method is None or training is None:
        return None
    return BoardMethod(name, config, method, training, TrainingConfig.model_validate(budget))


def _round_faults(rounds: RoundsConfig, training: TrainingConfig, *, has_curve: bool, is_smoke: bool) -> Iterator[str]:
    """Yield what a budget lacks for a method's rounds. A smoke run may have fewer steps than rounds."""
    if rounds.chooses and not has_curve:
        yield "reference: best needs the board to have a `curve`, by which it chooses"
    if rounds.search_each_round is not None and training.select != "best":
        yield "search_each_round needs `training: {select: best}`: there is no last point of several candidates"
    if rounds.rounds > 1 and rounds.reference_weights == "raw" and training.ema is None:
        yield "reference_weights: raw changes nothing where the training keeps no averages: leave it out, or set `ema`"
    if rounds.rounds > training.steps and not is_smoke:
        yield f"{rounds.rounds} rounds are more than the {training.steps} steps of the budget"


def check_control(reader: BoardReader, board: BoardConfig, methods: Sequence[BoardMethod]) -> None:
    """Add a fault for each control that the board names and does not have, names twice, or compares with anyway.

    The default may be missing. `methods` are those that were read without a fault.
    """
    if "control" not in board.model_fields_set:
        return
    untrained = next((method.name for method in methods if not method.method.component.trains), None)
    for index, name in enumerate(board.control):
        if name not in board.methods:
            reader.add_unknown(("control",), "method", name, board.methods)
        if name in board.control[:index]:
            reader.add_fault(("control",), f"control names {name!r} twice")
        if name == untrained:
            text = f"control: {name} does not train: it is the base, from which the page takes each row's difference anyway"
            reader.add_fault(("control",), f"{text}; name a method that trains, or write [] for no control")


def check_labels(reader: BoardReader, cells: Sequence[Cell]) -> None:
    """Add a fault for each method that tables and plots would call like another one on the same base."""
    firsts: dict[tuple[str, str], str] = {}
    found = dict[str, str]()
    for cell in cells:
        first = firsts.setdefault((cell.base.name, cell.method_label), cell.method_name)
        if first != cell.method_name:
            text = f"{cell.method_name!r} and {first!r} are both called {cell.method_label!r} on {cell.base.name!r}"
            found.setdefault(cell.method_name, f"{text}; give one of them another `label`")
    for name, text in found.items():
        reader.add_fault(("methods", split_point(name)[0]), text)


def check_repeats(reader: BoardReader, methods: Sequence[BoardMethod]) -> None:
    """Add a fault for each method that is another method under a second name."""
    firsts: dict[str, BoardMethod] = {}
    for method in methods:
        first = firsts.setdefault(method.cells_identity, method)
        if first is not method:
            text = f"{method.name!r} and {first.name!r} have the same settings: duplicate cells"
            ours, theirs = method.unused, first.unused
            idle = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
            because = f"; {' and '.join(idle)} {'changes' if len(idle) == 1 else 'change'} nothing beside the other settings"
            reader.add_fault(("methods", split_point(method.name)[0]), text + (because if idle else ""))
