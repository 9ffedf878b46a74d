"""One reading of a board's file: what is installed, what was found wrong, and how its references are looked up."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from pydantic import ValidationError

from harness.board.components import Resolved
from harness.board.reading import smoke
from harness.board.reading.faults import FaultList
from harness.board.reading.yaml_file import Location, YamlFile
from harness.board.schema import BoardConfig, EvaluationConfig, ReferenceConfig
from harness.components import Component
from harness.errors import nearest
from harness.plugins import Registry
from harness.references import smoked
from harness.training.config import TrainingConfig

C = TypeVar("C", bound=Component)


class BoardReader:
    """Passed through all that reads a part of the file. What finds a fault adds it to `faults` and goes on.

    Args:
        is_smoke: whether components and budgets are those of smoke runs.
    """

    def __init__(self, source: YamlFile, plugins: Registry, *, is_smoke: bool) -> None:
        self.source, self.plugins, self.is_smoke = source, plugins, is_smoke
        self.faults = FaultList(source)

    def resolve(
        self, kind: type[C], reference: ReferenceConfig, location: Location, *, shrinks: bool = True
    ) -> Resolved[C] | None:
        """Look a component up and check its settings, those of smoke runs unless it cannot shrink; None after a fault."""
        with self.faults.noted():
            where = self.source.where((*location, "name"))
            provided = self.plugins.provided(kind.kind, reference.name, where=where)
            component = self.plugins.get(kind, reference.name, where=where)
            try:
                full = component.config.model_validate(reference.settings)
                if not self.is_smoke or not shrinks:
                    return Resolved(component, full, provided.plugin, provided.version)
                small = smoked(component.config.model_validate({**reference.settings, **component.smoke}))
            except ValidationError as error:
                self.faults.add_invalid(error, location, component.config)
                return None
            return Resolved(component, small, provided.plugin, provided.version, full)
        return None

    def training(self, config: BoardConfig, given: dict[str, object], location: Location) -> TrainingConfig | None:
        """A budget, that of smoke runs in one; None after a fault."""
        try:
            training = TrainingConfig.model_validate(given)
        except ValidationError as error:
            self.faults.add_invalid(error, location, TrainingConfig)
            return None
        return smoke.training(config, training) if self.is_smoke else training

    def evaluations(self, config: BoardConfig) -> list[EvaluationConfig]:
        """One for each number of samples; a smoke board has the smallest only."""
        return [smoke.evaluation(config)] if self.is_smoke else config.evaluation.each

    def fault(self, location: Location, text: str) -> None:
        """Add a fault at a key of the file."""
        self.faults.add(location, text)

    def unknown(self, location: Location, kind: str, name: str, known: Iterable[str]) -> None:
        """Add a fault for a name that nothing of this board has."""
        names = list(known)
        hint = nearest(name, names)
        self.fault(location, f"no {kind} of this board is called {name!r}; {hint}there are: {', '.join(names)}")
