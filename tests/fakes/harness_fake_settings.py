"""A plugin for tests of grids: a method with settings of several types, some of them nested."""

from __future__ import annotations

from pydantic import Field

from harness import hookimpl
from harness.components import Method
from harness.config import Config


class RateConfig(Config):
    lr: float = Field(0.1, gt=0, le=1, description="step size")


class WeighConfig(Config):
    strength: float = Field(1.0, ge=0, description="weight of the samples")
    bank: int = Field(10, ge=1, description="number of samples")
    optimizer: RateConfig = Field(RateConfig(), description="of the network")
    critic: RateConfig = Field(RateConfig(), description="of the critic")


@hookimpl
def harness_methods():
    return [Method("weigh", build="harness_fake:x", summary="", config=WeighConfig, needs=frozenset({"Likelihood"}))]
