"""How a board measures its cells: the settings under `evaluation` in board.yaml."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, PositiveInt, model_validator

from harness.board.entries import ComponentEntry, FilterText, Name, name_in_full
from harness.config import Config
from harness.images.extraction_settings import BATCH, ExtractionSettings
from harness.process.inference_precision import FULL, PrecisionField

MOST_SAMPLES = 10_000_000
"""Two hundred times what papers evaluate; a slip beyond it would ask for more memory than there is."""


class EvaluationConfig(Config):
    """How each cell is measured."""

    samples: PositiveInt = Field(10_000, le=MOST_SAMPLES, description="generated examples of a draw, and as many real ones")
    draws: PositiveInt = Field(
        1, description="independent draws of generated and real examples in each cell; the cell's value is their mean"
    )
    batch: PositiveInt = Field(
        10_000, description="samples that are drawn at once; part of the record, since kernels round by batch"
    )
    keep_samples: PositiveInt | None = Field(
        None,
        description="how many samples of a draw stay on the disk, from the first; the features of all are kept. By default all; "
        "no number depends on it. It is for boards whose metrics all are on features",
    )

    sampling_precision: PrecisionField = Field(
        FULL,
        description="precision of networks while samples are drawn: those that are measured, those of the curve, banks, and what "
        "a method draws in its steps. `tf32` is float32 with shorter products, on cards that have it; `bf16` and `fp16` are "
        "autocast",
    )
    extraction_precision: PrecisionField = Field(
        FULL, description="precision of extractors, of generated and of real images; published statistics are as they are"
    )
    extraction_batch: PositiveInt = Field(
        BATCH, description="images that go through an extractor at once; no key depends on it, and features by rounding only"
    )

    ADDED_LATER = frozenset({"sampling_precision"})

    @property
    def identity(self) -> dict[str, object]:
        """The settings that samples depend on. Features depend on `extraction_precision`, which the columns' keys hold."""
        return {name: value for name, value in super().identity.items() if name not in _NOT_OF_SAMPLES}

    @property
    def extraction(self) -> ExtractionSettings:
        """How features are extracted."""
        return ExtractionSettings(self.extraction_precision, self.extraction_batch)


_NOT_OF_SAMPLES = frozenset({"keep_samples", "extraction_precision", "extraction_batch"})


class SamplerConfig(ComponentEntry):
    """A sampler that draws from the weights of every base and method. The sampler's settings stand beside its name:
    `{name: heun, steps: 18}`, or just `heun`. A sampler is prepared once for each base where it needs preparation."""

    label: str | None = Field(None, description="name of the sampler in tables; by default its key")
    sweep: dict[str, Annotated[list[float], Field(min_length=2)]] = Field(
        {},
        min_length=1,
        max_length=1,
        description="one setting of the sampler with several numbers, each of which makes a sampler of its own: "
        "`{weight: [1, 1.5, 2]}` of `cfg` makes `cfg-1`, `cfg-1.5` and `cfg-2`",
    )
    only: FilterText = Field("", description="filter: the cells of this sampler that the board has; by default all")

    @model_validator(mode="after")
    def _has_distinct_points(self) -> SamplerConfig:
        for setting, values in self.sweep.items():
            if setting in self.settings:
                raise ValueError(f"has {setting} and a sweep of it: keep one of the two")
            if len(set(values)) < len(values):
                raise ValueError(f"sweep has a number of {setting} twice: {values}")
        return self


class BoardEvaluationConfig(EvaluationConfig):
    """How each cell is measured."""

    sizes: list[PositiveInt] = Field(
        [],
        min_length=1,
        description="several numbers in the place of `samples`; the table has a block of rows and floors for each",
    )
    samplers: dict[Name, Annotated[SamplerConfig, BeforeValidator(name_in_full)]] = Field(
        {},
        min_length=1,
        description="samplers that are compared on the same fine-tuned weights; the table has a block of rows for each. A base's "
        "own `sampler` then draws only what training needs: banks and the curve. By default it draws what is measured too",
    )

    @model_validator(mode="after")
    def _one_or_several(self) -> BoardEvaluationConfig:
        if self.sizes and "samples" in self.model_fields_set:
            raise ValueError("has samples and sizes: keep one of the two")
        if len(set(self.sizes)) < len(self.sizes):
            raise ValueError(f"sizes has a number twice: {self.sizes}")
        return self

    @property
    def by_size(self) -> list[EvaluationConfig]:
        """The evaluation of each number of samples: one for each of `sizes`, or the only one."""
        common = self.model_dump(exclude={"sizes", "samplers"})
        return [EvaluationConfig.model_validate({**common, "samples": size}) for size in self.sizes or [self.samples]]
