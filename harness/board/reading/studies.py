"""Studies: the searches of a board, one for each base, and the boards of their trials. A trial is a row like any other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from pathlib import Path

from harness.board.board import Board
from harness.board.cells import Cell
from harness.board.columns import Column
from harness.board.points import point_text, setting_path, trial_name, with_point
from harness.board.reading.chosen_settings import fixed_settings
from harness.board.reading.find import board_file
from harness.board.reading.load import assembled, check_schema
from harness.board.reading.methods import NO_TRAINING
from harness.board.reading.reader import BoardReader
from harness.board.reading.searches import Dimension, check_searches, dimensions, pretrain_seed, rung_images
from harness.board.reading.yaml_file import YamlFile, read_yaml
from harness.board.schema import BaseConfig, BoardConfig, BoardEvaluationConfig, EvaluationConfig, MethodConfig
from harness.board.search_settings import Point, SearchConfig
from harness.components import Method
from harness.errors import UserError, nearest
from harness.plugins import Registry, registry
from harness.store.keys import digest
from harness.training.config import TrainingConfig
from harness.training.rounds import rounds_of


@dataclass(frozen=True)
class Study:
    """A search on one of its bases.

    Args:
        config: the board as its file has it.
        name, search: of the search.
        base: name of the base.
        is_smoke: whether the trials are those of a smoke run.
    """

    source: YamlFile
    plugins: Registry
    config: BoardConfig
    name: str
    search: SearchConfig
    base: str
    is_smoke: bool = False

    @property
    def label(self) -> str:
        """The study as messages call it: `ddo on edm`."""
        return f"{self.name} on {self.base}"

    @property
    def folder(self) -> Path:
        """The folder of the board."""
        return self.source.path.parent

    @property
    def entry(self) -> MethodConfig:
        """The searched entry of `methods`."""
        return self.config.methods[self.search.method]

    @property
    def component(self) -> str:
        """Name of the searched method."""
        return self.entry.method.name if self.entry.method else self.search.method

    @cached_property
    def space(self) -> dict[str, Dimension]:
        """The searched settings by their dotted paths."""
        return dimensions(self.plugins.get(Method, self.component, where=str(self.source.path)), self.search)

    @property
    def metric(self) -> str:
        """The column to search by."""
        if self.search.metric is not None:
            return self.search.metric
        assert self.config.curve is not None  # check_searches sees to it
        return self.config.curve.metric

    @property
    def is_by_curve(self) -> bool:
        """Whether the value of a cell is one of its curve; else it is one of its evaluation draws."""
        return self.config.curve is not None and self.config.curve.metric == self.metric

    @property
    def fixed(self) -> dict[str, object]:
        """The settings that the search holds fixed."""
        return fixed_settings(self.config, self.name)

    @cached_property
    def column(self) -> Column:
        """The column to search by, which says whether higher values are better."""
        return next(column for column in self._example.columns if column.name == self.metric)

    @cached_property
    def key(self) -> str:
        """Hash of everything that the values and the order of trials depend on: another key is another study."""
        row = self.example_cell.row
        return digest(
            stage="search",
            asked=self.search.asked,
            method=self.fixed,
            version=row.method.version,
            base=row.base.key,
            sampler=row.sampler.identity,
            metrics={column.name: column.key_digest for column in row.columns},
            curve=row.curve_settings,
            evaluation=row.evaluation.identity,
        )

    @property
    def example_cell(self) -> Cell:
        """A cell of a trial; all trials have its base, its metrics and its evaluation."""
        return self._example.cells[0]

    @cached_property
    def _example(self) -> Board:
        return self.board([{dotted: dimension.ends[0] for dotted, dimension in self.space.items()}], self.search.rungs - 1)

    def images(self, point: Point, rung: int) -> int:
        """Return the training images of a trial on a rung."""
        return rung_images(self._training(point), self.search, rung)

    @property
    def budgets(self) -> list[list[int]]:
        """The training images of a trial on each rung, over all settings that it tries in a round.

        There is one list for each combination of ends of the searched settings of training.
        """
        searched = {dotted: dimension.ends for dotted, dimension in self.space.items() if setting_path(dotted)[0] == "training"}
        first = {dotted: dimension.ends[0] for dotted, dimension in self.space.items()}
        candidates = len(rounds_of(self.example_cell.row.method.settings).candidates)
        points = [{**first, **dict(zip(searched, ends, strict=True))} for ends in product(*searched.values())]
        return [[candidates * self.images(point, rung) for rung in range(self.search.rungs)] for point in points]

    def trial_name(self, point: Point, rung: int) -> str:
        """Return the name of a trial's row; on a smaller budget than the whole one it has the images too."""
        images = None if rung == self.search.rungs - 1 else self.images(point, rung)
        return trial_name(self.search.method, point, images)

    def board(self, points: Sequence[Point], rung: int) -> Board:
        """Return the board whose methods are trials on one rung, on this study's base, without floors.

        Raises: UserError or Faults for settings that do not fit, and where the method cannot run on the base.
        """
        methods = {self.trial_name(point, rung): self._method(point, rung) for point in points}
        changes: dict[str, object] = {
            "methods": methods,
            "bases": {name: self._base(name, base) for name, base in self.config.bases.items()},
            "seeds": self.search.seeds,
            "metrics": {name: self._metric(name) for name in self.config.metrics if name in self._columns},
            "evaluation": self._evaluation(),
            "control": [],
            "findings": "",
            "search": {},
        }
        reader = BoardReader(self.source, self.plugins, is_smoke=self.is_smoke)
        board = assembled(reader, self.config.model_copy(update=changes))
        cells = tuple(cell for cell in board.cells if cell.base.name == self.base)
        for cell in cells:
            if cell.skip_reason is not None:
                raise UserError(f"{self.source.where(('search', self.name, 'bases'))}: {self.label}: {cell.skip_reason}")
        keys = {cell.base.key for cell in cells}
        return replace(board, cells=cells, floors=(), bases=tuple(base for base in board.bases if base.key in keys))

    def _training(self, point: Point) -> TrainingConfig:
        """Return the whole budget of a trial. Raises: UserError for a budget that is none."""
        placed = with_point(self.search.method, self.entry, point)
        budget: dict[str, object] = {**(self.config.training or NO_TRAINING).model_dump(), **placed.training}
        if self.search.budget is not None:
            budget["images"] = self.search.budget
        try:
            return TrainingConfig.model_validate(budget)
        except ValueError:
            raise UserError(f"{self.source.path}: search {self.name}: no budget fits {point_text(point)}") from None

    def _method(self, point: Point, rung: int) -> MethodConfig:
        entry = with_point(self.search.method, self.entry, point)
        training = {**entry.training, "images": self.images(point, rung)}
        changes = {"training": training, "only": "", "note": None, "settings_from": None, "label": None}
        return entry.model_copy(update=changes)

    def _base(self, name: str, base: BaseConfig) -> BaseConfig:
        """Return a base as the search has it: without a filter, and made with a seed of the search's own."""
        seed = pretrain_seed(self.search)
        changes: dict[str, object] = {"only": ""}
        if base.pretrain is not None and seed is not None:
            changes["pretrain"] = [step.model_copy(update={"seed": seed, "seeds": []}) for step in base.pretrain]
        elif base.pretrain is not None:
            # A search has seeds of its own, which pair with none of the board's bases: it starts from the first of them.
            changes["pretrain"] = [step.model_copy(update={"seed": step.seed_of(0), "seeds": []}) for step in base.pretrain]
        return base.model_copy(update=changes)

    @property
    def _columns(self) -> set[str]:
        return {self.metric, *([] if self.config.curve is None else [self.config.curve.metric])}

    def _metric(self, name: str) -> object:
        return self.config.metrics[name].model_copy(update={"show": ["mean"], "draws": None})

    def _evaluation(self) -> BoardEvaluationConfig:
        """Return how trials are measured: where the curve's values count, by one draw of the curve's size."""
        evaluation, curve = self.config.evaluation, self.config.curve
        first = evaluation.by_size[0]
        if self.is_by_curve and curve is not None:
            return _evaluated_like(first, samples=curve.samples, draws=1)
        return _evaluated_like(first, samples=first.samples, draws=first.draws)


def _evaluated_like(evaluation: EvaluationConfig, *, samples: int, draws: int) -> BoardEvaluationConfig:
    """Return an evaluation of other numbers, which draws and extracts as this one does. Trials keep all samples."""
    settings = {**evaluation.model_dump(exclude={"keep_samples"}), "samples": samples, "draws": draws}
    return BoardEvaluationConfig.model_validate(settings)


def load_studies(
    path: Path, only: Sequence[str] = (), bases: Sequence[str] = (), *, smoke: bool = False, plugins: Registry | None = None
) -> list[Study]:
    """Read the searches of a board. The files that they write need not be there yet.

    Args:
        only: names of searches; by default all.
        bases: names of bases; by default all of each search.
    Raises: UserError or Faults, also for a board without searches, and for names that it does not have.
    """
    reader = BoardReader(read_yaml(board_file(path)), plugins or registry(), is_smoke=smoke)
    config = check_schema(reader)
    if not config.search:
        raise UserError(f"{reader.source.path}: no `search`; docs/search.md says how to write one")
    check_searches(reader, config)
    reader.faults.raise_any()
    _check_names("search", only, config.search)
    _check_names("base of a search", bases, {base: None for search in config.search.values() for base in search.bases})
    return [
        Study(reader.source, reader.plugins, config, name, search, base, smoke)
        for name, search in config.search.items()
        if not only or name in only
        for base in search.bases
        if not bases or base in bases
    ]


def _check_names(kind: str, asked: Sequence[str], known: Mapping[str, object]) -> None:
    for name in asked:
        if name not in known:
            raise UserError(f"no {kind} is called {name!r}; {nearest(name, known)}there are: {', '.join(known)}")
