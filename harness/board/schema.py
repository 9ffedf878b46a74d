"""The settings that a board.yaml may hold. docs/boards.md is made from the docstrings and field descriptions of these classes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PositiveFloat, PositiveInt, model_validator

from harness.board.entries import (
    ColumnName,
    ComponentField,
    Sha256,
    file_in_full,
    list_of_mappings,
    list_of_texts,
    mapping_in_full,
    weights_in_full,
)
from harness.board.entries import (
    ComponentEntry as ComponentEntry,
)
from harness.board.entries import (
    FilterText as FilterText,
)
from harness.board.entries import (
    Name as Name,
)
from harness.board.entries import (
    split_column as split_column,
)
from harness.board.evaluation_schema import MOST_SAMPLES
from harness.board.evaluation_schema import (
    BoardEvaluationConfig as BoardEvaluationConfig,
)
from harness.board.evaluation_schema import (
    EvaluationConfig as EvaluationConfig,
)
from harness.board.evaluation_schema import (
    SamplerConfig as SamplerConfig,
)
from harness.board.resources import ResourcesConfig
from harness.board.search_settings import SearchConfig, SettingsFrom
from harness.config import Config
from harness.training.config import TrainingConfig


class PretrainConfig(Config):
    """A step of pretraining. The board takes each step once, and all cells of the base share the weights.

    The seed of the first step draws the initial weights of the whole network, those included that only later steps train.
    """

    method: ComponentField = Field(description="a method that can train from scratch")
    training: TrainingConfig = Field(description="the budget of the step")
    seed: int = Field(0, ge=0, description="seed of the initial weights, the data order and the noise")
    seeds: list[Annotated[int, Field(ge=0, strict=True)]] = Field(
        [],
        min_length=1,
        description="several seeds in the place of `seed`: the board takes the step once for each. Cells of the board's first "
        "seed start from the first of these bases, cells of the second from the second, and so on; where the board has more "
        "seeds, the bases begin again",
    )

    @model_validator(mode="after")
    def _one_seed_or_several(self) -> PretrainConfig:
        if self.seeds and "seed" in self.model_fields_set:
            raise ValueError("has seed and seeds: keep one of the two")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds has a seed twice: {self.seeds}")
        return self

    def seed_of(self, index: int) -> int:
        """Return the seed of the base that is number `index` of the step's seeds."""
        return self.seeds[index] if self.seeds else self.seed


PretrainSteps = Annotated[list[PretrainConfig], BeforeValidator(list_of_mappings), Field(min_length=1)]


_TABLE = (
    "the part of the file that is read, where the file holds several tables of tensors: `ema`, `state_dict`, …; by default the "
    "table that fits the network, and of several the averaged one where its name says so"
)


class PartConfig(Config):
    """A file with the weights of a part of the network."""

    file: str = Field(description="path of the file, from the board's folder")
    sha256: Sha256 | None = Field(None, description="hash that the file must have")
    part: str = Field("", description=_TABLE)


class WeightsConfig(Config):
    """Where weights come from: the name of a preset, the path of a file, or both: the preset's settings with another file."""

    preset: str | None = Field(
        None, description="a published network, which brings model, settings and file; `harness list presets` names them"
    )
    file: str | None = Field(
        None, description="path of the file, from the board's folder; with a preset it replaces the preset's file"
    )
    sha256: Sha256 | None = Field(None, description="hash that the file must have; by default the preset's")
    part: str = Field("", description=_TABLE)
    parts: dict[str, Annotated[PartConfig, BeforeValidator(file_in_full)]] = Field(
        {}, description="files of those parts of the network that have files of their own, such as `tokenizer`"
    )

    @model_validator(mode="after")
    def _names_something(self) -> WeightsConfig:
        if self.preset is None and self.file is None:
            raise ValueError("needs a preset or a file")
        return self


class BaseConfig(Config):
    """A model to fine-tune, whose weights the board makes (`pretrain`) or loads (`weights`). A base with `data` has no model:
    examples of a dataset are measured in the place of generated samples, which shows what the metrics make of them."""

    label: str | None = Field(None, description="name of the base in tables, which no other base may have; by default its key")
    model: ComponentField | None = Field(
        None, description="the network; beside a preset, the settings of the preset's network that the board changes"
    )
    pretrain: PretrainSteps | None = Field(
        None,
        description="how the board makes the weights: one step, or a list of steps, each of which starts from the weights of the "
        "step before",
    )
    weights: Annotated[WeightsConfig, BeforeValidator(weights_in_full)] | None = Field(
        None, description="where the weights come from: the name of a preset, the path of a file, or the keys below"
    )
    sampler: ComponentField | None = Field(
        None,
        description="how samples are drawn, in training too; by default with the model's native sampler. `evaluation.samplers` "
        "replaces it where samples are measured",
    )
    data: ComponentField | None = Field(
        None,
        description="a dataset in the place of a model: draws of its examples are measured against other real draws, apart from "
        "them. No method trains such a base",
    )
    only: FilterText = Field("", description="filter: the cells of this base that the board has; by default all")
    resources: ResourcesConfig = Field(
        ResourcesConfig(), description="what the job of the base and its cells ask of their machines; part of no key"
    )

    @model_validator(mode="after")
    def _has_one_origin(self) -> BaseConfig:
        if self.data is not None:
            superfluous = [key for key in ("model", "pretrain", "weights", "sampler") if getattr(self, key) is not None]
            if superfluous:
                raise ValueError(f"has data, and so no {superfluous[0]}: its samples are the data's examples")
            return self
        if (self.pretrain is None) == (self.weights is None):
            raise ValueError("needs either pretrain or weights (or data, in the place of a model)")
        if self.model is None and (self.weights is None or self.weights.preset is None):
            raise ValueError("'model' is missing: only a preset says which network it is")
        return self


class MethodConfig(Config):
    """A row of the table for each base."""

    label: str | None = Field(
        None, description="name of the method in tables, which no other method may have on the same base; by default its key"
    )
    method: ComponentField | None = Field(
        None, description="the method and its settings; by default the method whose name is the key"
    )
    settings_from: SettingsFrom | None = Field(
        None,
        description="the file of a [search](search.md), whose chosen settings join those that stand here: "
        "`searched/ddo.yaml`, or the keys below",
    )
    training: dict[str, object] = Field({}, description="keys of the board's `training` that this method replaces")
    only: FilterText = Field("", description="filter: the cells of this method that the board has; by default all")
    note: str | None = Field(None, description="a remark under the table, in Markdown, such as where the settings come from")
    resources: ResourcesConfig = Field(
        ResourcesConfig(), description="what the cells ask of their machines; goes before the base's; part of no key"
    )


Statistic = Literal["mean", "minimum"]


class MetricConfig(Config):
    """A column of the table."""

    label: str | None = Field(
        None,
        description="name of the column in tables; by default its key, and for a metric on features also the number of images: "
        "`fid-50k[inception]`",
    )
    metric: ComponentField | None = Field(
        None, description="the metric and its settings; by default the metric whose name is the key"
    )
    extractor: ComponentField | None = Field(
        None,
        description="the extractor and its settings, for a metric on features; its name must be the one in the key's brackets, "
        "`fid[fashion-cnn]`",
    )
    against: Literal["evaluation", "train", "train-all", "selection"] = Field(
        "evaluation",
        description="real examples to compare with: fresh draws; `train`, `samples` training examples: for metrics on features a "
        "choice over the whole set, for others the first ones; `train-all`, the whole training set, as papers have FID, for "
        "metrics on features; or `selection`, those of the curve, for a board that searches settings and is to leave the "
        "evaluation's examples unseen",
    )
    reference: str | None = Field(
        None,
        description="published statistics in the place of real examples, by name, such as `edm-cifar10`, for metrics of mean and "
        "covariance; `harness list references` names them ([more](extractors.md#published-references)). `--smoke` compares with "
        "real examples",
    )
    draws: PositiveInt | None = Field(None, description="how many of the evaluation's draws are measured; by default all")
    floor_pairs: PositiveInt | None = Field(None, description="pairs of real draws for the floor; by default the board's number")
    shown_in: PositiveFloat = Field(1.0, description="unit of the table's figures: 1e-2 shows hundredths")
    digits: int = Field(2, ge=0, le=10, description="decimals of the table's figures")
    show: Annotated[list[Statistic], BeforeValidator(list_of_texts)] = Field(
        ["mean"],
        min_length=1,
        max_length=2,
        description="what the table shows of a cell's draws: their `mean`, their `minimum` (papers quote the minimum of three), "
        "or a list of both, which makes two columns",
    )
    ranks: bool = Field(
        True,
        description="whether the column tells better values from worse ones, by an arrow, marks, and a place in plots of all "
        "columns; false for a column that accompanies another, such as a standard error",
    )
    explodes_above: PositiveFloat | None = Field(None, description="limit above which a value marks the cell as diverged")

    @model_validator(mode="after")
    def _shows_each_once(self) -> MetricConfig:
        if len(set(self.show)) < len(self.show):
            raise ValueError(f"show has {self.show[0]!r} twice: its columns would be the same")
        return self

    @model_validator(mode="after")
    def _one_reference(self) -> MetricConfig:
        if self.reference is not None and "against" in self.model_fields_set:
            raise ValueError("has against and reference: keep one of the two")
        return self


class FloorConfig(Config):
    """The metric between draws of real examples: the value that a perfect model would get, where the draws are independent."""

    pairs: PositiveInt = Field(10, description="pairs of draws, over which mean and standard deviation are taken")


class CurveConfig(Config):
    """The metric along training, on seeds apart from the evaluation's.

    Where it selects weights, what it costs counts as a cost of the method; records keep that number apart. The real examples are
    draws of the curve's own, whatever `against` of the column says. Where the dataset keeps examples for the curve (its setting
    `selection`), they are of these. So the plot of curves has the column's floor only where that measures the same: at as many
    samples, and not against training examples or published statistics.
    """

    ADDED_LATER = frozenset({"points_in_round"})

    metric: ColumnName = Field(description="the column to measure, one of the board's `metrics`")
    points: PositiveInt = Field(10, description="measurements, evenly spaced in images, beside one more at the start")
    points_in_round: PositiveInt | None = Field(
        None,
        description="measurements in each round of a method that has several rounds, and for each of the settings that a round "
        "tries, the last one at the round's end; by default rounds that choose by the curve (`reference: best`) share `points`, "
        "rounded up. No key of other methods depends on it",
    )
    samples: PositiveInt = Field(
        10_000, le=MOST_SAMPLES, description="generated examples of each measurement, and as many real ones"
    )


class SmokeConfig(Config):
    """The small board that `--smoke` runs: the same path in seconds. Networks, samplers and banks shrink as their plugins say.

    No file is read of published weights, data and extractors: random weights, noise and random features stand in for them, and
    the output and the page say so. Weights that the board names by path alone are read.
    """

    steps: PositiveInt = Field(8, description="steps of pretraining and of fine-tuning, at most")
    batch: PositiveInt | None = Field(None, description="training examples of a step, at most; by default those of the budget")
    samples: PositiveInt = Field(64, description="generated examples of a draw, and as many real ones, at most")
    seeds: PositiveInt = Field(1, description="how many of the board's seeds run")


MayBeEmpty = BeforeValidator(mapping_in_full)


class BoardConfig(Config):
    """One leaderboard."""

    title: str = Field(description="heading of the board's page")
    description: str = Field("", description="Markdown above the table")
    findings: str = Field(
        "",
        description="Markdown below the table, written after a run: what the numbers mean. The page fills in and checks what it "
        "compares ([how](#claims-in-findings))",
    )
    protocol: PositiveInt = Field(1, description="version of the protocol; raise it with every change that moves a number")
    dataset: ComponentField = Field(description="the reference data")
    bases: dict[Name, BaseConfig] = Field(min_length=1, description="models to fine-tune")
    methods: dict[Name, Annotated[MethodConfig, MayBeEmpty]] = Field(min_length=1, description="methods to compare")
    control: Annotated[list[Name], BeforeValidator(list_of_texts)] = Field(
        ["mle"],
        description="the method, or a list of them, that the page compares the others with; of several on a base the first one "
        "counts. By default `mle`, where the board has a method of that name",
    )
    training: TrainingConfig | None = Field(
        None, description="the budget of every method that names no other; needed where a method trains"
    )
    deterministic: bool = Field(
        True,
        description="whether a card computes with deterministic kernels alone, so that a second run gives the same bits; false "
        "takes the fastest kernels. No key depends on it, and records say it; the CPU's kernels are deterministic anyway",
    )
    seeds: list[Annotated[int, Field(ge=0, lt=1_000_000, strict=True)]] = Field(
        [0, 1, 2],
        min_length=1,
        description="each base and method has one cell for each seed; seeds lie below a million, so that no draw of a cell is "
        "a draw of the floor",
    )
    evaluation: BoardEvaluationConfig = Field(BoardEvaluationConfig(), description="how each cell is measured")
    metrics: dict[ColumnName, Annotated[MetricConfig, MayBeEmpty]] = Field(
        min_length=1,
        description="the columns in their order; a column whose metric compares features is called `METRIC[EXTRACTOR]`",
    )
    floor: FloorConfig = Field(FloorConfig(), description="real examples against real examples")
    curve: CurveConfig | None = Field(None, description="measurements along training; by default none")
    search: dict[Name, SearchConfig] = Field({}, description="searches for settings of methods, each with a name of its own")
    smoke: SmokeConfig = Field(SmokeConfig(), description="budgets of `--smoke`")
