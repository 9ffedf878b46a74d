"""Settings of training: the budget of a run of the loop, and what the loop does around each step. Imports no torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, NonNegativeInt, PositiveInt, model_validator

from harness.config import Config
from harness.training.augmentation_settings import EDMAugmentation

Decay = Annotated[float, Field(gt=0, lt=1)]
DataPlace = Literal["auto", "device", "host", "disk"]
_OF_READING = frozenset({"data", "workers"})
"""Settings that say where training examples lie and who reads them. They change no number."""


def _long_name(value: object) -> object:
    return "float32" if value == "fp32" else value  # the name of the same precision where samples are drawn


class PowerFunctionEMA(Config):
    """Averages of the weights over a fixed share of training (EDM2). After training, an average over any other share can be put
    together from snapshots."""

    std: float = Field(
        0.05,
        gt=0,
        lt=0.2886,
        description="relative length of the average that is evaluated: the standard deviation of the average's weight over time, "
        "as a share of the images seen",
    )
    tracked: tuple[float, ...] = Field(
        (0.05, 0.10),
        min_length=1,
        description="relative lengths of the averages that training keeps; an average of another length is put together from "
        "snapshots of them",
    )
    snapshots: PositiveInt = Field(
        8, description="evenly spaced times at which a snapshot of each tracked average is kept; the last time is the end"
    )

    @model_validator(mode="after")
    def _lengths(self) -> PowerFunctionEMA:
        if not all(0 < std < 0.2886 for std in self.tracked) or len(set(self.tracked)) < len(self.tracked):
            raise ValueError(f"tracked needs different lengths above 0 and below 0.2886, not {list(self.tracked)}")
        return self


class TrainingConfig(Config):
    """A training budget, and what the harness does around each step."""

    ADDED_LATER = frozenset({"micro_batch", "precision", "channels_last", "compile", "flip", "augment", "data", "workers"})

    images: PositiveInt = Field(description="training examples seen, over all devices")
    batch: PositiveInt = Field(128, description="training examples of a step, over all devices")
    ema: Decay | PowerFunctionEMA | None = Field(
        None,
        description="average of the weights, which is evaluated in the place of the last weights: its decay in each step, or the "
        "mapping below",
    )
    select: Literal["last", "best"] = Field(
        "last",
        description="which weights are the result: the last, or those at the best point of the curve, by the curve's metric",
    )
    micro_batch: PositiveInt | None = Field(
        None,
        description="training examples that pass through the network at once, to save memory; the gradient is still that of the "
        "whole batch",
    )
    precision: Annotated[Literal["float32", "bf16"], BeforeValidator(_long_name)] = Field(
        "float32",
        description="precision of the network in training steps; bf16 is autocast. What a method must keep exact stays in "
        "float32. Samples are drawn in the evaluation's `sampling_precision`",
    )
    channels_last: bool = Field(False, description="whether training keeps the channels of each pixel side by side in memory")
    compile: bool = Field(False, description="whether training compiles the network with `torch.compile`")
    flip: bool = Field(
        False,
        description="whether training mirrors each image left to right with probability one half, anew each time it is seen",
    )
    augment: EDMAugmentation | None = Field(
        None,
        description="augmentation of which the network is told by labels, so that it draws images as they are; for pretraining "
        "on few images. Methods that train by more than the pretraining loss are skipped",
    )
    data: DataPlace = Field(
        "auto",
        description="where the training examples are kept, as stored bytes: on the device, in the memory of the host, or on "
        "disk; auto keeps on a card what fits a quarter of its memory, and else reads where the dataset has them. Banks "
        "of generated samples are kept likewise, each by its own size. No number depends on it",
    )
    workers: NonNegativeInt | None = Field(
        None,
        description="processes that read the next batches in the background; by default two where a card would wait for the "
        "disk, else none. No number depends on it",
    )

    @property
    def identity(self) -> dict[str, object]:
        """The settings that numbers depend on: where the data lie, and who reads them, is left out."""
        return {name: value for name, value in super().identity.items() if name not in _OF_READING}

    @property
    def arithmetic(self) -> dict[str, object]:
        """How steps compute, where that has changed since the first cells were made: JSON values for keys alone.

        In bf16, passes after the first update of a step saw older weights, and tokens and CCA's ratios were rounded.
        """
        return {} if self.precision == "float32" else {"autocast": 2}

    @property
    def unused(self) -> frozenset[str]:
        """Settings that change nothing: those of reading; `flip` and `augment`, where they are off."""
        return _OF_READING | {name for name in ("flip", "augment") if not getattr(self, name)}

    @property
    def steps(self) -> int:
        """Number of steps: images / batch, a whole number."""
        return self.images // self.batch

    @model_validator(mode="after")
    def _workers_have_work(self) -> TrainingConfig:
        if self.workers and self.data == "device":
            raise ValueError(f"workers ({self.workers}) read from host or disk, and data: device has nothing left to read")
        return self

    @model_validator(mode="after")
    def _one_mirror(self) -> TrainingConfig:
        if self.flip and self.augment is not None:
            raise ValueError("augment mirrors images too, and tells the network: leave flip out")
        return self

    @model_validator(mode="after")
    def _parts_are_smaller(self) -> TrainingConfig:
        if self.micro_batch is not None and self.micro_batch > self.batch:
            raise ValueError(f"micro_batch ({self.micro_batch}) is above batch ({self.batch})")
        return self

    @model_validator(mode="after")
    def _whole_steps(self) -> TrainingConfig:
        if self.images % self.batch:
            below = self.images // self.batch * self.batch
            raise ValueError(f"images ({self.images}) is not a multiple of batch ({self.batch}); nearest: {below or self.batch}")
        return self
