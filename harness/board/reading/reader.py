"""The state of one reading of a board, which the readers of all parts share: the file, the components, and the faults so far."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from pydantic import ValidationError

from harness.board.components import Resolved
from harness.board.reading import smoke
from harness.board.reading.faults import FaultList
from harness.board.reading.yaml_file import Location, YamlFile
from harness.board.schema import BoardConfig, ComponentEntry, EvaluationConfig
from harness.components import Component, Dataset
from harness.config import Config, unused_paths, value_at
from harness.errors import nearest
from harness.inner_components import with_smoke_samplers
from harness.paths import board_context
from harness.plugins import Registry
from harness.training.config import TrainingConfig

C = TypeVar("C", bound=Component)


class BoardReader:
    """One reading of a board's file. A function that finds a fault adds it to `faults`, and the reading goes on.

    Args:
        is_smoke: whether components and budgets are those of smoke runs.
    """

    def __init__(self, source: YamlFile, plugins: Registry, *, is_smoke: bool) -> None:
        self.source, self.plugins, self.is_smoke = source, plugins, is_smoke
        self.faults = FaultList(source)
        self.context = board_context(source.path.resolve().parent)
        self.remarks: dict[str, None] = {}
        """What the board's user should know and what is no fault, in the order of reading."""

    def resolve(self, kind: type[C], entry: ComponentEntry, location: Location, *, may_shrink: bool = True) -> Resolved[C] | None:
        """Look a component up and check its settings. Returns: None after a fault.

        Args:
            may_shrink: whether a smoke run replaces settings by smaller ones.
        """
        with self.faults.catching((*location, "name")):
            where = self.source.where((*location, "name"))
            provided = self.plugins.provided(kind.kind, entry.name, where=where)
            component = self.plugins.get(kind, entry.name, where=where)
            try:
                settings, full = component.config.model_validate(entry.settings, context=self.context), None
                if self.is_smoke and may_shrink:
                    full, smaller = settings, {**entry.settings, **component.smoke_settings(settings)}
                    settings = with_smoke_samplers(component.config.model_validate(smaller, context=self.context))
            except ValidationError as error:
                self.faults.add_invalid(error, location, component.config, entry.settings)
                return None
            if isinstance(component, Dataset) and component.is_made_up(full or settings):
                self.add_fault(location, f"the examples of {entry.name} would be made up with these settings, as in smoke runs")
                return None
            self._remark_on_idle(component, full or settings, entry, location)
            resolved = Resolved(component, settings, provided.plugin, provided.version, full)
            return smoke.without_files(resolved) if self.is_smoke else resolved
        return None

    def _remark_on_idle(self, component: Component, settings: Config, entry: ComponentEntry, location: Location) -> None:
        """Remark on each setting that the board writes and that changes nothing beside the others."""
        for path in unused_paths(settings):
            if value_at(entry.settings, path) is not None:
                where = f"{self.source.path.name}:{self.source.line((*location, path[0]))}"
                self.remarks[f"{where}: {component.title}: `{'.'.join(path)}` changes nothing beside the other settings"] = None

    def training(self, config: BoardConfig, settings: dict[str, object], location: Location) -> TrainingConfig | None:
        """Check a budget; a smoke run makes it smaller. Returns: None after a fault."""
        try:
            training = TrainingConfig.model_validate(settings)
        except ValidationError as error:
            self.faults.add_invalid(error, location, TrainingConfig, settings)
            return None
        return smoke.training(config, training) if self.is_smoke else training

    def evaluations(self, config: BoardConfig) -> list[EvaluationConfig]:
        """Return an evaluation for each number of samples; a smoke run has the smallest number only."""
        return [smoke.evaluation(config)] if self.is_smoke else config.evaluation.by_size

    def add_fault(self, location: Location, text: str) -> None:
        """Add a fault at a key of the file."""
        self.faults.add(location, text)

    def add_unknown(self, location: Location, kind: str, name: str, known: Iterable[str]) -> None:
        """Add a fault for a name that the board does not have."""
        self.add_fault(location, unknown_text(kind, name, known))


def unknown_text(kind: str, name: str, known: Iterable[str]) -> str:
    """Return the fault of a name that the board does not have."""
    names = list(known)
    return f"no {kind} of this board is called {name!r}; {nearest(name, names)}there are: {', '.join(names)}"
