"""Settings of the executor."""

from __future__ import annotations

import re
from typing import Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from harness import Config

ADDRESS = re.compile(r"auto|[^\s:/]+:[0-9]{1,5}|\[[0-9a-fA-F:]+\]:[0-9]{1,5}")


class RayConfig(Config):
    """Which cluster, and what a job asks of its machine where neither the board nor the user says it of the job."""

    address: str | None = Field(
        None,
        description="HOST:PORT of the cluster's head, or auto for the cluster that this machine belongs to; "
        "none: $RAY_ADDRESS, else a cluster on this machine, which ends with the run",
    )
    cpus: PositiveInt = Field(1, description="cores a job")
    gpus: NonNegativeFloat | None = Field(
        None, description="cards a job, or a part of one, such as 0.5; none: 1 where the cluster has cards, else 0"
    )
    memory_gib: PositiveFloat | None = Field(None, description="main memory a job, GiB; none: Ray does not count memory")
    resources: dict[str, PositiveFloat] = Field(
        {}, description="what else a job asks of its machine: resources that the cluster gave a name"
    )

    @model_validator(mode="after")
    def _known_address(self) -> Self:
        if self.address is not None and not ADDRESS.fullmatch(self.address):
            raise ValueError(
                f"address {self.address!r} is neither HOST:PORT nor auto; start the run on a machine of the cluster, "
                "since Ray's client (ray://…) cannot be used"
            )
        return self

    @model_validator(mode="after")
    def _whole_cards(self) -> Self:
        if self.gpus is not None and self.gpus > 1 and self.gpus != int(self.gpus):
            raise ValueError(f"gpus is {self.gpus:g}; a job has a part of one card, or whole cards")
        return self
