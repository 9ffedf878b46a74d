"""board.yaml → Board: everything is checked here, all faults at once, before any work starts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from harness.board.cells import (
    Base,
    BoardMetric,
    Cell,
    Floor,
    Resolved,
    Row,
    data_reason,
    lacks,
    parts_reason,
    skip_reason,
)
from harness.board.filters import Filter, parse_filter
from harness.board.fit import method_fault, model_fault, spec_of
from harness.board.schema import (
    BaseConfig,
    BoardConfig,
    EvaluationConfig,
    MethodConfig,
    MetricConfig,
    PretrainConfig,
    ReferenceConfig,
    TrainingConfig,
    WeightsConfig,
    split_column,
)
from harness.board.source import Location, Source, read_yaml
from harness.components import FEATURE_NEEDS, Extractor, Method, Metric, Model, Sampler
from harness.errors import Faults, UserError, nearest
from harness.interfaces import DataSpec
from harness.plugins import Registry, registry
from harness.presets import Preset
from harness.references import base_names, sampler_needs, smoked
from harness.weights import cache
from harness.weights.sources import BaseFile, BaseWeights

T = TypeVar("T")
NO_TRAINING = TrainingConfig(images=1, batch=1)
"""Of methods that do not train, on a board that gives no budget."""


@dataclass(frozen=True)
class Board:
    """A checked board.

    Args:
        name: the folder's name.
        cells: every cell, in the order of the file: bases, then methods, then seeds; skipped ones included.
        floors: one for each metric, and number of samples where there are several.
    """

    name: str
    folder: Path
    config: BoardConfig
    dataset: Resolved
    bases: tuple[Base, ...]
    cells: tuple[Cell, ...]
    metrics: tuple[BoardMetric, ...]
    floors: tuple[Floor, ...]
    is_smoke: bool

    def select(self, only: Filter, *, where: str = "--only") -> list[Cell]:
        """The cells that a filter keeps. Raises: UserError for a value that no cell has."""
        only.check([cell.facts for cell in self.cells], where=where)
        return [cell for cell in self.cells if only.keeps(cell.facts)]


def board_file(path: Path) -> Path:
    """board.yaml of a board given by its folder or the file itself. Raises: UserError that names boards nearby."""
    file = path if path.suffix in (".yaml", ".yml") else path / "board.yaml"
    if file.is_file():
        return file
    near = sorted(
        found.parent for folder in (path, path.parent, Path("leaderboards")) for found in folder.glob("*/board.yaml")
    )
    names = sorted({str(folder) for folder in near})
    raise UserError(
        f"{path}: no board there (no {file.name}); {nearest(str(path), names)}boards: {', '.join(names) or 'none'}"
    )


def load_board(path: Path, *, smoke: bool = False, plugins: Registry | None = None) -> Board:
    """Read and check a board. Raises: UserError or Faults: each with file, line, key and the nearest valid name."""
    source = read_yaml(board_file(path))
    return _Loader(source, plugins or registry(), smoke).board()


@dataclass(frozen=True)
class _EntryFilter:
    """The `only` of a base or a method: it says which of that entry's own cells stay."""

    kind: str
    name: str
    location: Location
    only: Filter

    def keeps(self, cell: Cell) -> bool:
        return cell.facts[self.kind] != self.name or self.only.keeps(cell.facts)


class _Loader:
    """Collects faults as it resolves; `board` raises them together."""

    def __init__(self, source: Source, plugins: Registry, smoke: bool) -> None:
        self.source, self.plugins, self.smoke = source, plugins, smoke
        self.faults: list[str] = []
        self._spec: DataSpec | None = None

    def board(self) -> Board:
        config = self._schema()
        dataset = self.resolve("dataset", config.dataset, ("dataset",))
        self._spec = None if dataset is None else spec_of(dataset)
        metrics = [self._metric(config, name, entry) for name, entry in config.metrics.items()]
        bases = [self._base(config, name, entry, dataset) for name, entry in config.bases.items()]
        methods = [self._method(config, name, entry) for name, entry in config.methods.items()]
        bases = self._with_named_bases(bases)
        self._check_curve(config)
        self._check_repeats(config, methods)
        self._stop_on_faults()
        whole = tuple(metric for metric in metrics if metric)
        floors = tuple(
            Floor(_sure(dataset), metric, evaluation.samples, whole, _size(config, evaluation))
            for evaluation in self._evaluations(config)
            for metric in whole
        )
        cells = tuple(
            self._cells(config, [_sure(base) for base in bases], [_sure(method) for method in methods], whole)
        )
        filters = self._entry_filters(config)
        self._check_filters(config, filters, cells)
        self._stop_on_faults()
        kept = tuple(cell for cell in cells if all(entry.keeps(cell) for entry in filters))
        used = {cell.base.name for cell in kept}
        if not kept:
            raise UserError(f"{self.source.path}: no cell is left: the `only` filters exclude everything")
        return Board(
            name=self.source.path.resolve().parent.name,
            folder=self.source.path.parent,
            config=config,
            dataset=_sure(dataset),
            bases=tuple(base for base in bases if base and base.name in used),
            cells=kept,
            metrics=whole,
            floors=floors,
            is_smoke=self.smoke,
        )

    def _stop_on_faults(self) -> None:
        if self.faults:
            raise Faults(sorted(set(self.faults), key=_line_of))

    def fault(self, location: Location, text: str) -> None:
        self.faults.append(f"{self.source.where(location)}: {text}")

    def _schema(self) -> BoardConfig:
        if not isinstance(self.source.value, dict):
            raise UserError(f"{self.source.path}:1: a board is a mapping of keys, see docs/boards.md")
        try:
            return BoardConfig.model_validate(self.source.value)
        except ValidationError as error:
            self._report(error, (), BoardConfig)
            # Names and settings are checked even so, that one reading mends the file.
            self._names_despite_faults()
            raise Faults(sorted(set(self.faults), key=_line_of)) from None

    def _names_despite_faults(self) -> None:
        assert isinstance(self.source.value, dict)
        for location, kind, value in _references(self.source.value):
            try:
                reference = ReferenceConfig.model_validate({"name": value} if isinstance(value, str) else value)
            except ValidationError:
                continue
            self.resolve(kind, reference, location)

    def _report(self, error: ValidationError, prefix: Location, schema: type[BaseModel]) -> None:
        for fault in error.errors():
            # pydantic names the branches of unions and dict keys in `loc`; only what stands in the file is kept.
            path = tuple(part for part in fault["loc"] if part != "[key]" and not str(part).startswith("function-"))
            written = _as_written((*prefix, *path), self.source)
            location = _in_file(written, self.source)
            key = ".".join(map(str, written))
            if fault["type"] == "extra_forbidden":
                known = _fields_at(schema, path[:-1])
                text = f"no key is called {key!r} here; {nearest(str(path[-1]), known)}keys: {', '.join(known)}"
            elif fault["type"] == "missing":
                text = f"{key!r} is missing"
            else:
                message = fault["msg"].removeprefix("Value error, ")
                given = fault["input"]
                shown = "" if isinstance(given, dict | list) else f", got {given!r}"
                text = f"{key}: {message[:1].lower()}{message[1:]}{shown}" if key else message
            self.fault(location, text)

    def resolve(
        self, kind: str, reference: ReferenceConfig, location: Location, *, shrinks: bool = True
    ) -> Resolved | None:
        """Look a component up and check its settings, those of smoke runs unless it cannot shrink; None after a fault."""
        try:
            provided = self.plugins.provided(kind, reference.name, where=self.source.where((*location, "name")))
        except UserError as error:
            self.faults.append(str(error))
            return None
        settings = reference.settings
        schema = provided.component.config
        try:
            checked = schema.model_validate(settings)
            if self.smoke and shrinks:
                checked = smoked(schema.model_validate({**settings, **provided.component.smoke}))
        except ValidationError as error:
            self._report(error, location, schema)
            return None
        return Resolved(provided.component, checked, provided.plugin, provided.version)

    def _training(self, base: dict[str, object], location: Location) -> TrainingConfig | None:
        try:
            config = TrainingConfig.model_validate(base)
        except ValidationError as error:
            self._report(error, location, TrainingConfig)
            return None
        if self.smoke:
            steps = min(self._smoke_steps, config.steps)
            config = config.model_copy(update={"images": steps * config.batch})
        return config

    @property
    def _smoke_steps(self) -> int:
        value = self.source.value
        assert isinstance(value, dict)
        return BoardConfig.model_validate(value).smoke.steps

    def _evaluations(self, config: BoardConfig) -> list[EvaluationConfig]:
        """One for each number of samples; a smoke board has the smallest only."""
        if not self.smoke:
            return config.evaluation.each
        smallest = min(config.evaluation.each, key=lambda one: one.samples)
        samples = min(config.smoke.samples, smallest.samples)
        return [smallest.model_copy(update={"samples": samples, "draws": min(2, smallest.draws)})]

    def _metric(self, config: BoardConfig, name: str, entry: MetricConfig) -> BoardMetric | None:
        metric_name, _ = split_column(name)
        reference = entry.metric or ReferenceConfig(name=metric_name)
        resolved = self.resolve("metric", reference, ("metrics", name, *(("metric",) if entry.metric else ())))
        draws = entry.draws or config.evaluation.draws
        if draws > config.evaluation.draws:
            self.fault(
                ("metrics", name, "draws"), f"draws ({draws}) is above evaluation.draws ({config.evaluation.draws})"
            )
        pairs = entry.floor_pairs or config.floor.pairs
        if "minimum" in entry.show and draws < 2:
            text = "the minimum of one draw is its value: set draws, or evaluation.draws, to 2 or more"
            self.fault(("metrics", name, "show"), text)
        fewest = min(self._evaluations(config), key=lambda one: one.samples)
        if self.smoke:
            draws, pairs = min(draws, fewest.draws), min(pairs, 2)
        if resolved is None:
            return None
        extractor = self._extractor(name, entry, resolved, fewest.samples)
        label = entry.label or (name if config.evaluation.sizes else column_label(name, fewest.samples))
        return BoardMetric(name, label, resolved, entry, draws, pairs, extractor)

    def _extractor(self, name: str, entry: MetricConfig, metric: Resolved, samples: int) -> Resolved | None:
        """Of a column whose metric compares features. A fault where it is not named, or lacks what the metric needs."""
        assert isinstance(metric.component, Metric)
        needs = metric.component.needs_features
        column, bracket = split_column(name)
        at = ("metrics", name)
        if not needs:
            if bracket is not None or entry.extractor is not None:
                self.fault(at, f"{metric.name} compares the samples themselves: call the column {column!r}, without an extractor")
            return None
        if (spec := self._spec) is not None and spec.preview != "images":
            self.fault(at, f"{metric.name} compares features of images, and the dataset holds examples of shape {spec.shape}")
            return None
        if bracket is None:
            known = ", ".join(self.plugins.names("extractor")) or "none"
            self.fault(at, f"{metric.name} compares features: call the column {name}[EXTRACTOR]; extractors: {known}")
            return None
        if entry.extractor is not None and entry.extractor.name != bracket:
            self.fault((*at, "extractor"), f"the column is called {name!r}, and its extractor {entry.extractor.name!r}")
            return None
        reference = entry.extractor or ReferenceConfig(name=bracket)
        resolved = self.resolve("extractor", reference, (*at, "extractor") if entry.extractor else at)
        if resolved is not None:
            assert isinstance(resolved.component, Extractor)
            lacking = sorted({FEATURE_NEEDS[need] for need in needs} - set(resolved.component.outputs))
            if lacking:
                given = ", ".join(resolved.component.outputs)
                self.fault(at, f"{metric.name} needs {', '.join(lacking)}, and {resolved.name} gives {given}")
                return None
            try:
                metric.component.check_size(metric.settings, samples, resolved.component.outputs)
            except UserError as error:
                self.fault(at, str(error))
        return resolved

    def _base(self, config: BoardConfig, name: str, entry: BaseConfig, dataset: Resolved | None) -> Base | None:
        at = ("bases", name)
        if entry.data is not None:
            return self._data_base(name, entry, entry.data, dataset)
        if entry.weights is not None:
            return self._loaded_base(name, entry, entry.weights, dataset)
        assert entry.pretrain is not None
        assert entry.model is not None
        model = self.resolve("model", entry.model, (*at, "model"))
        steps = [self._pretraining(step, where) for step, where in self._steps(entry, at)]
        if model is None or dataset is None:
            return None
        assert isinstance(model.component, Model)
        sampler = self.resolve(
            "sampler", entry.sampler or ReferenceConfig(name=model.component.sampler), (*at, "sampler")
        )
        if (misfit := model_fault(model, spec_of(dataset))) is not None:
            self.fault((*at, "model"), misfit)
        for (_, where), step in zip(self._steps(entry, at), steps, strict=True):
            if step and (missing := lacks(_method(step[0]).needs, model.component)):
                self.fault((*where, "method"), f"{model.name} lacks {', '.join(missing)}, which {step[0].name} needs")
            if step and (fault := parts_reason(_method(step[0]), model.component, step[1])):
                self.fault((*where, "training", "micro_batch"), fault)
        if sampler is None or None in steps:
            return None
        assert isinstance(sampler.component, Sampler)
        if missing := lacks(sampler_needs(sampler.component, sampler.settings), model.component):
            self.fault(
                (*at, "sampler"), f"{model.name} lacks {', '.join(missing)}, which the sampler {sampler.name} needs"
            )
        base: Base | None = None
        for settings, step in zip(entry.pretrain, steps, strict=True):
            method, training = _sure(step)
            base = Base(name, entry.label or name, model, dataset, method, training, settings.seed, sampler, after=base)
        return base

    def _data_base(self, name: str, entry: BaseConfig, given: ReferenceConfig, dataset: Resolved | None) -> Base | None:
        at = ("bases", name, "data")
        data = self.resolve("dataset", given, at)
        if data is None or dataset is None:
            return None
        own, boards = spec_of(data), spec_of(dataset)
        if own is not None and boards is not None and own.shape != boards.shape:
            self.fault(at, f"examples of {data.name} have the shape {own.shape}, those of {dataset.name} {boards.shape}")
        return Base(name, entry.label or name, data, dataset, None, None, 0, data, data=data)

    def _steps(self, entry: BaseConfig, at: Location) -> list[tuple[PretrainConfig, Location]]:
        """The steps of pretraining, and where each stands: a single one may be written without a list."""
        listed = (*at, "pretrain", 0) in self.source.lines
        return [
            (step, (*at, "pretrain", *((index,) if listed else ()))) for index, step in enumerate(entry.pretrain or ())
        ]

    def _pretraining(self, step: PretrainConfig, where: Location) -> tuple[Resolved, TrainingConfig] | None:
        """Method and budget of a step of pretraining; None after a fault in them."""
        method = self.resolve("method", step.method, (*where, "method"))
        training = self._training(step.training.model_dump(), (*where, "training"))
        if method is None or training is None:
            return None
        if not _method(method).from_scratch:
            able = [n for n, p in self.plugins.all("method").items() if getattr(p.component, "from_scratch", False)]
            self.fault((*where, "method"), f"{method.name} cannot train from scratch; these can: {', '.join(able)}")
        if step.training.select != "last":
            self.fault((*where, "training", "select"), "select: a pretrained base is always the last weights")
        return method, training

    def _with_named_bases(self, bases: list[Base | None]) -> list[Base | None]:
        """The bases, each of whose samplers holds the bases that its settings name."""
        known = {base.name: base for base in bases if base}
        return [base and self._with_networks(base, known) for base in bases]

    def _with_networks(self, base: Base, known: dict[str, Base]) -> Base:
        found: list[Base] = []
        for field, name in base_names(base.sampler.settings):
            at = ("bases", base.name, "sampler", field)
            other = known.get(name)
            if other is None:
                names = ", ".join(known)
                self.fault(at, f"no base of this board is called {name!r}; {nearest(name, known)}there are: {names}")
                continue
            if other.data is not None:
                self.fault(at, f"the base {name!r} is data, and no network")
                continue
            assert isinstance(other.model.component, Model)
            assert isinstance(base.sampler.component, Sampler)
            if missing := lacks(sampler_needs(base.sampler.component, base.sampler.settings), other.model.component):
                self.fault(at, f"{other.model.name} lacks {', '.join(missing)}, which {base.sampler.name} needs")
            found.append(other)
        return replace(base, sampler=replace(base.sampler, bases=tuple(found))) if found else base

    def _loaded_base(self, name: str, entry: BaseConfig, given: WeightsConfig, dataset: Resolved | None) -> Base | None:
        at = ("bases", name)
        try:
            where = self.source.where((*at, "weights"))
            preset = None if given.preset is None else self.plugins.preset(given.preset, where=where)
        except UserError as error:
            self.faults.append(str(error))
            return None
        model, weights = self._loaded_model(entry, preset, at), self._weights(given, preset, at)
        if model is None or weights is None or dataset is None:
            return None
        assert isinstance(model.component, Model)
        reference = entry.sampler or ReferenceConfig(name=model.component.sampler)
        sampler = self.resolve("sampler", reference, (*at, "sampler"))
        if sampler is None:
            return None
        assert isinstance(sampler.component, Sampler)
        if missing := lacks(sampler_needs(sampler.component, sampler.settings), model.component):
            text = f"{model.name} lacks {', '.join(missing)}, which the sampler {sampler.name} needs"
            self.fault((*at, "sampler"), text)
        return Base(name, entry.label or name, model, dataset, None, None, 0, sampler, weights=weights)

    def _loaded_model(self, entry: BaseConfig, preset: Preset | None, at: Location) -> Resolved | None:
        """The network that the weights are for: smoke runs cannot make it smaller."""
        if preset is None:
            assert entry.model is not None
            return self.resolve("model", entry.model, (*at, "model"), shrinks=False)
        named = entry.model or ReferenceConfig(name=preset.model)
        if named.name != preset.model:
            self.fault((*at, "model"), f"the preset {preset.name} is of the model {preset.model}, not {named.name}")
            return None
        settings = {**preset.config.model_dump(exclude_unset=True), **named.settings}
        return self.resolve("model", ReferenceConfig(name=preset.model, **settings), (*at, "model"), shrinks=False)

    def _weights(self, given: WeightsConfig, preset: Preset | None, at: Location) -> BaseWeights | None:
        folder = self.source.path.resolve().parent
        where = self.source.where((*at, "weights"))
        files = {
            file.part: BaseFile(cache.path(file), file.part, file.sha256, file, where)
            for file in (preset.files if preset else ())
        }
        if given.file is not None:
            line = self.source.where((*at, "weights", "file"))
            files[""] = BaseFile(folder / Path(given.file).expanduser(), "", given.sha256, where=line)
        elif "" in files and given.sha256 is not None:
            files[""] = replace(files[""], sha256=given.sha256)
        for part, one in given.parts.items():
            line = self.source.where((*at, "weights", "parts", part))
            files[part] = BaseFile(folder / Path(one.file).expanduser(), part, one.sha256, where=line)
        if "" not in files:
            self.fault((*at, "weights"), f"no file of {given.preset} is published: give weights.file")
            return None
        if preset is None:
            return BaseWeights(tuple(files.values()))
        return BaseWeights(tuple(files.values()), preset.name, preset.spec)

    def _method(
        self, config: BoardConfig, name: str, entry: MethodConfig
    ) -> tuple[str, MethodConfig, Resolved, TrainingConfig] | None:
        at = ("methods", name)
        resolved = self.resolve(
            "method", entry.method or ReferenceConfig(name=name), (*at, "method") if entry.method else at
        )
        if config.training is None and resolved is not None and _method(resolved).trains:
            self.fault((*at, "training"), f"'training' of the board is missing: {resolved.name} trains")
        common = config.training or NO_TRAINING
        training = self._training({**common.model_dump(), **entry.training}, (*at, "training"))
        if training is not None and training.select == "best" and config.curve is None:
            self.fault((*at, "training", "select"), "select: best needs the board to have a `curve`")
        return None if resolved is None or training is None else (name, entry, resolved, training)

    def _cells(
        self,
        config: BoardConfig,
        bases: list[Base],
        methods: list[tuple[str, MethodConfig, Resolved, TrainingConfig]],
        metrics: tuple[BoardMetric, ...],
    ) -> Iterator[Cell]:
        seeds = config.seeds[: config.smoke.seeds] if self.smoke else config.seeds
        curve = config.curve
        if curve is not None and self.smoke:
            samples = min(curve.samples, self._evaluations(config)[0].samples)
            curve = curve.model_copy(update={"samples": samples, "points": min(curve.points, 2)})
        board = self.source.path.resolve().parent.name
        for evaluation, base in product(self._evaluations(config), bases):
            for name, entry, method, training in methods:
                row = Row(
                    board,
                    config.protocol,
                    base,
                    name,
                    entry.label or name,
                    method,
                    training,
                    evaluation,
                    metrics,
                    curve,
                    self.smoke,
                    _reason(base, method, training),
                    _size(config, evaluation),
                )
                yield from (Cell(row, seed) for seed in seeds)

    def _entry_filters(self, config: BoardConfig) -> list[_EntryFilter]:
        """The `only` of each base and method that has one."""
        found: list[_EntryFilter] = []
        for kind, entries in (("base", config.bases), ("method", config.methods)):
            for name, entry in entries.items():
                location = (f"{kind}s", name, "only")
                if entry.only:
                    try:
                        found.append(
                            _EntryFilter(
                                kind, name, location, parse_filter(entry.only, where=self.source.where(location))
                            )
                        )
                    except UserError as error:
                        self.faults.append(str(error))
        return found

    def _check_filters(self, config: BoardConfig, filters: list[_EntryFilter], cells: tuple[Cell, ...]) -> None:
        if not filters:
            return
        known = [cell.facts for cell in cells]
        # A smoke board has fewer seeds and sizes than its file, and the file's filters may name any of them.
        known += [{**known[0], "seed": str(seed)} for seed in config.seeds]
        known += [{**known[0], "n": str(size)} for size in config.evaluation.sizes]
        for entry in filters:
            try:
                entry.only.check(known, where=self.source.where(entry.location))
            except UserError as error:
                self.faults.append(str(error))

    def _check_curve(self, config: BoardConfig) -> None:
        if config.curve is not None and config.curve.metric not in config.metrics:
            names = list(config.metrics)
            self.fault(
                ("curve", "metric"),
                f"no metric of this board is called {config.curve.metric!r}; {nearest(config.curve.metric, names)}"
                f"there are: {', '.join(names)}",
            )

    def _check_repeats(
        self, config: BoardConfig, methods: list[tuple[str, MethodConfig, Resolved, TrainingConfig] | None]
    ) -> None:
        seeds: set[int] = set()
        for index, seed in enumerate(config.seeds):
            if seed in seeds:
                self.fault(("seeds", index), f"seed {seed} is given twice: its cells would be duplicates")
            seeds.add(seed)
        seen: dict[str, str] = {}
        for method in methods:
            if method is None:
                continue
            name, entry, resolved, training = method
            same = f"{resolved.identity}/{training if resolved.component.trains else None}/{entry.only}"  # type: ignore[attr-defined]
            if same in seen:
                self.fault(("methods", name), f"{name!r} and {seen[same]!r} have the same settings: duplicate cells")
            seen.setdefault(same, name)


def _size(config: BoardConfig, evaluation: EvaluationConfig) -> int | None:
    return evaluation.samples if config.evaluation.sizes else None


def _reason(base: Base, method: Resolved, training: TrainingConfig) -> str | None:
    """Why the method cannot run on the base; None when it can."""
    if base.data is not None:
        return data_reason(_method(method))
    assert isinstance(base.model.component, Model)
    return (
        skip_reason(_method(method), base.sampler, base.model.component)
        or parts_reason(_method(method), base.model.component, training)
        or method_fault(method, base.model.component, spec_of(base.dataset))
    )


def column_label(name: str, samples: int) -> str:
    """What tables call a column: of a metric on features, with the number of images, `fid-50k[inception]`."""
    metric, extractor = split_column(name)
    if extractor is None:
        return name
    count = f"{samples // 1000}k" if samples % 1000 == 0 else str(samples)
    return f"{metric}-{count}[{extractor}]"


def _references(value: dict[str, Any]) -> Iterator[tuple[Location, str, Any]]:
    """Component references of a board that failed its schema, as far as they can be told."""

    def entries(key: str) -> list[tuple[str, Any]]:
        found = value.get(key)
        return list(found.items()) if isinstance(found, dict) else []

    if "dataset" in value:
        yield ("dataset",), "dataset", value["dataset"]
    for name, base in entries("bases"):
        if isinstance(base, dict):
            pretrain = base.get("pretrain")
            yield ("bases", name, "model"), "model", base.get("model")
            yield ("bases", name, "data"), "dataset", base.get("data")
            if "sampler" in base:
                yield ("bases", name, "sampler"), "sampler", base["sampler"]
            if isinstance(pretrain, dict):
                yield ("bases", name, "pretrain", "method"), "method", pretrain.get("method")
            for index, step in enumerate(pretrain if isinstance(pretrain, list) else ()):
                if isinstance(step, dict):
                    yield ("bases", name, "pretrain", index, "method"), "method", step.get("method")
    for key, kind in (("methods", "method"), ("metrics", "metric")):
        for name, entry in entries(key):
            own = entry.get(kind) if isinstance(entry, dict) else None
            default = split_column(str(name))[0] if kind == "metric" else name
            yield ((key, name, kind), kind, own) if own else ((key, name), kind, default)


def _fields_at(schema: object, path: Location) -> list[str]:
    """Names of the keys that stand beside a wrong one: walks the schema along `path`."""
    for part in path:
        schema = _step(schema, part)
    found = _model(schema)
    return list(found.model_fields) if found else []


def _step(schema: object, part: str | int) -> object:
    model = _model(schema)
    if model is not None:
        field = model.model_fields.get(str(part))
        return None if field is None else field.annotation
    arguments = [argument for argument in get_args(schema) if argument is not type(None)]
    if get_origin(schema) in (Union, UnionType) or hasattr(schema, "__metadata__"):
        return next((found for argument in arguments if (found := _step(argument, part)) is not None), None)
    if get_origin(schema) is dict:
        return arguments[1]
    return arguments[0] if arguments else None


def _model(schema: object) -> type[BaseModel] | None:
    """The settings class in an annotation such as `Annotated[X, …] | None`."""
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        return schema
    if get_origin(schema) in (Union, UnionType) or hasattr(schema, "__metadata__"):
        return next((found for argument in get_args(schema) if (found := _model(argument))), None)
    return None


def _as_written(location: Location, source: Source) -> Location:
    """A location without the numbers of list items that the file does not write as a list."""
    found: Location = ()
    for part in location:
        if part != 0 or (*found, 0) in source.lines or found not in source.lines:
            found = (*found, part)
    return found


def _in_file(location: Location, source: Source) -> Location:
    """The part of a location that stands in the file."""
    while location and location not in source.lines:
        location = location[:-1]
    return location


def _line_of(fault: str) -> tuple[int, str]:
    for part in fault.split(":")[1:2]:
        if part.isdigit():
            return int(part), fault
    return 0, fault


def _method(resolved: Resolved) -> Method:
    assert isinstance(resolved.component, Method)
    return resolved.component


def _sure(value: T | None) -> T:
    assert value is not None
    return value
