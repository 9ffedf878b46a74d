"""Methods of a board, each with its budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.board.components import Resolved
from harness.board.reading.reader import BoardReader
from harness.board.schema import BoardConfig, MethodConfig, ReferenceConfig
from harness.components import Method
from harness.training.config import TrainingConfig

NO_TRAINING = TrainingConfig(images=1, batch=1)
"""Of methods that do not train, on a board that gives no budget."""


@dataclass(frozen=True)
class BoardMethod:
    """A method, and how the board uses it."""

    name: str
    entry: MethodConfig
    method: Resolved[Method]
    training: TrainingConfig

    @property
    def label(self) -> str:
        return self.entry.label or self.name

    @property
    def same(self) -> str:
        """Equal for two whose cells would be the same."""
        training = self.training if self.method.component.trains else None
        return f"{self.method.identity}/{training}/{self.entry.only}"


def read_method(reading: BoardReader, config: BoardConfig, name: str, entry: MethodConfig) -> BoardMethod | None:
    """An entry of `methods`; None after a fault."""
    at = ("methods", name)
    reference = entry.method or ReferenceConfig(name=name)
    method = reading.resolve(Method, reference, (*at, "method") if entry.method else at)
    if config.training is None and method is not None and method.component.trains:
        reading.fault((*at, "training"), f"'training' of the board is missing: {method.name} trains")
    common = config.training or NO_TRAINING
    training = reading.training(config, {**common.model_dump(), **entry.training}, (*at, "training"))
    if training is not None and training.select == "best" and config.curve is None:
        reading.fault((*at, "training", "select"), "select: best needs the board to have a `curve`")
    return None if method is None or training is None else BoardMethod(name, entry, method, training)


def check_repeats(reading: BoardReader, methods: Sequence[BoardMethod]) -> None:
    """A fault for each method that is another one under a second name."""
    seen: dict[str, str] = {}
    for method in methods:
        if (first := seen.setdefault(method.same, method.name)) != method.name:
            text = f"{method.name!r} and {first!r} have the same settings: duplicate cells"
            reading.fault(("methods", method.name), text)
