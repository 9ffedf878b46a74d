"""Settings of training: the budget of a run of the loop, and what the loop does around each step. Imports no torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from harness.config import Config

Decay = Annotated[float, Field(gt=0, lt=1)]


class PowerFunctionEMA(Config):
    """Averages whose length grows with training, of any length afterwards (EDM2)."""

    std: float = Field(
        0.05,
        gt=0,
        lt=0.2886,
        description="relative length of the average that is evaluated: its profile's standard deviation over the images seen",
    )
    tracked: tuple[float, ...] = Field(
        (0.05, 0.10),
        min_length=1,
        description="relative lengths followed in training; another `std` is put together from snapshots of these",
    )
    snapshots: PositiveInt = Field(
        8, description="times, evenly spaced, at which the tracked averages are kept for that; the last is the end"
    )

    @model_validator(mode="after")
    def _lengths(self) -> PowerFunctionEMA:
        if not all(0 < std < 0.2886 for std in self.tracked) or len(set(self.tracked)) < len(self.tracked):
            raise ValueError(f"tracked needs different lengths above 0 and below 0.2886, not {list(self.tracked)}")
        return self


class TrainingConfig(Config):
    """A training budget, and what the harness does around each step."""

    ADDED_LATER = frozenset({"micro_batch", "precision", "channels_last", "compile"})

    images: PositiveInt = Field(description="training examples seen, over all devices")
    batch: PositiveInt = Field(128, description="examples a step, over all devices")
    ema: Decay | PowerFunctionEMA | None = Field(
        None,
        description="an average of the weights, which is then what is evaluated: its decay a step, above 0 and below "
        "1, or the mapping below",
    )
    select: Literal["last", "best"] = Field(
        "last", description="which weights are the result: the last, or the best of the curve's points by its metric"
    )
    micro_batch: PositiveInt | None = Field(
        None, description="examples through the network at once, to save memory: the gradient is still the whole batch's"
    )
    precision: Literal["float32", "bf16"] = Field(
        "float32",
        description="of the network in training steps; bf16 is autocast. DDO's ratios stay in float32, and so does sampling",
    )
    channels_last: bool = Field(False, description="keep images in memory channel by channel of a pixel, in training")
    compile: bool = Field(False, description="torch.compile the network in training")

    @property
    def steps(self) -> int:
        """Number of steps: images / batch, a whole number."""
        return self.images // self.batch

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
