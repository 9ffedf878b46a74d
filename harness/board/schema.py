"""What a board.yaml may say. The field descriptions are the documentation (docs/boards.md is made from them)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import (
    BeforeValidator,
    Field,
    PositiveFloat,
    PositiveInt,
    StringConstraints,
    model_validator,
)

from harness.config import Config
from harness.training.config import TrainingConfig

# Two separators in a row are not allowed: file names of records join names with "__".
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+([._-][a-z0-9]+)*$", max_length=60)]


# A column of a metric on features says whose features: `fid[fashion-cnn]`.
ColumnName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9]+([._-][a-z0-9]+)*(\[[a-z0-9]+([._-][a-z0-9]+)*\])?$", max_length=60),
]


def split_column(name: str) -> tuple[str, str | None]:
    """`fid[fashion-cnn]` is the metric `fid` and the extractor `fashion-cnn`; `w2` is `w2` and None."""
    metric, bracket, extractor = name.partition("[")
    return metric, extractor.removesuffix("]") if bracket else None


def _reference(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


def _nothing_is_empty(value: object) -> object:
    return {} if value is None else value


def _listed(value: object) -> object:
    return [value] if isinstance(value, Mapping) else value


class ReferenceConfig(Config):
    """A component by name, with its settings beside the name: `{name: ddo, beta: 0.02}`, or just `ddo`."""

    model_config = {**Config.model_config, "extra": "allow"}

    name: str = Field(description="name of an installed component")

    @property
    def settings(self) -> dict[str, object]:
        """Everything beside the name."""
        return dict(self.__pydantic_extra__ or {})


Reference = Annotated[ReferenceConfig, BeforeValidator(_reference)]
Filters = str | list[str]


class PretrainConfig(Config):
    """How the board makes a base from random weights, or a step of it; done once, shared by all cells of the base."""

    method: Reference = Field(description="a method that can train from scratch")
    training: TrainingConfig = Field(description="its budget")
    seed: int = Field(0, ge=0, description="seed of the initial weights, the data order and the noise")


# One step may stand without the list's dash.
PretrainSteps = Annotated[list[PretrainConfig], BeforeValidator(_listed), Field(min_length=1)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


def _file(value: object) -> object:
    return {"file": value} if isinstance(value, str) else value


class PartConfig(Config):
    """A file with the weights of a part of the network."""

    file: str = Field(description="path, from the board's folder")
    sha256: Sha256 | None = Field(None, description="what the file must have")


def _weights(value: object) -> object:
    # A preset's name has neither a slash nor an ending.
    if isinstance(value, str):
        return {"file" if "/" in value or "." in value else "preset": value}
    return value


class WeightsConfig(Config):
    """Where weights come from: a preset by its name, a file by its path, or both, for settings and another file of them."""

    preset: str | None = Field(None, description="a published network, `harness list presets`: its model, settings and file")
    file: str | None = Field(None, description="path, from the board's folder, in the place of the preset's file")
    sha256: Sha256 | None = Field(None, description="what the file must have; the preset's by default")
    parts: dict[str, Annotated[PartConfig, BeforeValidator(_file)]] = Field(
        {}, description="files of parts of the network that stand apart, such as `tokenizer`"
    )

    @model_validator(mode="after")
    def _names_something(self) -> WeightsConfig:
        if self.preset is None and self.file is None:
            raise ValueError("needs a preset or a file")
        return self


class BaseConfig(Config):
    """A model to fine-tune. Its weights are pretrained by the board (`pretrain`) or loaded (`weights`). Or `data`, to see what
    metrics make of it."""

    label: str | None = Field(None, description="name in tables; the key by default")
    model: Reference | None = Field(None, description="the network; beside a preset, what it changes of the preset's settings")
    pretrain: PretrainSteps | None = Field(
        None, description="how its weights are made: one step, or a list of them, each from the weights of the one before"
    )
    weights: Annotated[WeightsConfig, BeforeValidator(_weights)] | None = Field(
        None, description="where its weights come from: a preset's name, a path, or the keys below"
    )
    sampler: Reference | None = Field(None, description="how samples are drawn; the model's native sampler by default")
    data: Reference | None = Field(
        None,
        description="a dataset in the place of a model: its draws of examples are measured as generated ones are, against real "
        "draws that they are apart from. No method trains such a base",
    )
    only: Filters = Field("", description="filter: which cells of this base the board has")

    @model_validator(mode="after")
    def _has_weights_from_somewhere(self) -> BaseConfig:
        if self.data is not None:
            other = next((key for key in ("model", "pretrain", "weights", "sampler") if getattr(self, key) is not None), None)
            if other is not None:
                raise ValueError(f"has data, and so no {other}: its samples are the data's examples")
            return self
        if (self.pretrain is None) == (self.weights is None):
            raise ValueError("needs either pretrain or weights (or data, in the place of a model)")
        if self.model is None and (self.weights is None or self.weights.preset is None):
            raise ValueError("'model' is missing: only a preset says which network it is")
        return self


class MethodConfig(Config):
    """A row of the table for each base."""

    label: str | None = Field(None, description="name in tables; the key by default")
    method: Reference | None = Field(None, description="the method and its settings; by default the one called as the key")
    training: dict[str, object] = Field({}, description="replaces keys of the board's `training` for this method")
    only: Filters = Field("", description="filter: which cells of this method the board has")
    note: str | None = Field(None, description="a remark under the table: where the settings come from")


class EvaluationConfig(Config):
    """How each cell is measured."""

    samples: PositiveInt = Field(10_000, description="generated and real examples of a draw")
    draws: PositiveInt = Field(1, description="independent draws of generated and real examples a cell; their mean is the value")
    batch: PositiveInt = Field(10_000, description="samples drawn at once; part of the record, since kernels round by batch")


class BoardEvaluationConfig(EvaluationConfig):
    """How each cell is measured."""

    sizes: list[PositiveInt] = Field(
        [], description="several numbers of `samples`, in its place: a block of rows and floors for each"
    )

    @model_validator(mode="after")
    def _one_or_several(self) -> BoardEvaluationConfig:
        if self.sizes and "samples" in self.model_fields_set:
            raise ValueError("has samples and sizes: keep one of the two")
        if len(set(self.sizes)) < len(self.sizes):
            raise ValueError(f"sizes has a number twice: {self.sizes}")
        return self

    @property
    def each(self) -> list[EvaluationConfig]:
        """One for each size; the only one where there are none."""
        common = self.model_dump(exclude={"sizes"})
        return [EvaluationConfig.model_validate({**common, "samples": size}) for size in self.sizes or [self.samples]]


Statistic = Literal["mean", "minimum"]


def _statistics(value: object) -> object:
    return [value] if isinstance(value, str) else value


class MetricConfig(Config):
    """A column of the table."""

    label: str | None = Field(None, description="name in tables; the key by default")
    metric: Reference | None = Field(None, description="the metric and its settings; by default the one called as the key")
    extractor: Reference | None = Field(
        None,
        description="settings of the extractor, for metrics on features; its name is the one in the key's brackets, "
        "`fid[fashion-cnn]`",
    )
    against: Literal["evaluation", "train"] = Field(
        "evaluation", description="real examples to compare with: fresh draws, or the first `samples` training examples"
    )
    draws: PositiveInt | None = Field(None, description="how many of the evaluation's draws are measured; all by default")
    floor_pairs: PositiveInt | None = Field(None, description="pairs of real draws for the floor; the board's by default")
    shown_in: PositiveFloat = Field(1.0, description="unit of the table: 1e-2 shows hundredths")
    digits: int = Field(2, ge=0, le=10, description="decimals in the table")
    show: Annotated[list[Statistic], BeforeValidator(_statistics)] = Field(
        ["mean"],
        min_length=1,
        max_length=2,
        description="what of a cell's draws the table shows: their `mean`, their `minimum` "
        "(papers quote that of three), or a list of both, a column each",
    )
    ranks: bool = Field(
        True,
        description="whether the column tells better from worse, by an arrow, marks, and a place in plots of all columns; "
        "false for one that stands beside another, as a standard error",
    )
    explodes_above: PositiveFloat | None = Field(None, description="a value above it marks the cell as diverged")


class FloorConfig(Config):
    """The metric between independent draws of real examples: what a perfect model would get."""

    pairs: PositiveInt = Field(10, description="pairs of draws; mean and standard deviation are over them")


class CurveConfig(Config):
    """The metric along training, on seeds apart from the evaluation's; its cost is counted as the method's."""

    metric: ColumnName = Field(description="one of the board's metrics")
    points: PositiveInt = Field(10, description="measurements, evenly spaced in images; one more at the start")
    samples: PositiveInt = Field(10_000, description="generated and real examples of each")


class SmokeConfig(Config):
    """What `--smoke` makes of the board: the same path in seconds. Networks, samplers, banks shrink too, as plugins say."""

    steps: PositiveInt = Field(8, description="steps of pretraining and of fine-tuning")
    samples: PositiveInt = Field(64, description="generated and real examples of a draw")
    seeds: PositiveInt = Field(1, description="how many of the board's seeds")


Entries = BeforeValidator(_nothing_is_empty)


class BoardConfig(Config):
    """One leaderboard."""

    title: str = Field(description="heading of the board's page")
    description: str = Field("", description="markdown above the table")
    findings: str = Field("", description="markdown below the table: what the numbers mean; written by hand after a run")
    protocol: PositiveInt = Field(1, description="raise it with every change that moves a number")
    dataset: Reference = Field(description="the reference data")
    bases: dict[Name, BaseConfig] = Field(min_length=1, description="models to fine-tune")
    methods: dict[Name, Annotated[MethodConfig, Entries]] = Field(min_length=1, description="methods to compare")
    training: TrainingConfig | None = Field(
        None, description="the budget that every method gets unless it says otherwise; needed where one trains"
    )
    seeds: list[Annotated[int, Field(ge=0, lt=1_000_000, strict=True)]] = Field(
        [0, 1, 2], min_length=1, description="one cell each; below a million, so that no draw is one of the floor's"
    )
    evaluation: BoardEvaluationConfig = Field(BoardEvaluationConfig(), description="sampling for evaluation")
    metrics: dict[ColumnName, Annotated[MetricConfig, Entries]] = Field(
        min_length=1, description="columns, in this order; one of a metric on features is called `METRIC[EXTRACTOR]`"
    )
    floor: FloorConfig = Field(FloorConfig(), description="real against real")
    curve: CurveConfig | None = Field(None, description="measurements along training")
    smoke: SmokeConfig = Field(SmokeConfig(), description="budgets of `--smoke`")
