"""Settings of the executor."""

from __future__ import annotations

import re
from typing import Self

from pydantic import Field, PositiveFloat, model_validator

from harness import Config

ADDRESS = re.compile(r"((tcp|tls|ucx|ws|wss)://)?([^\s:/]+|\[[0-9a-fA-F:]+\]):[0-9]{1,5}")


class DaskConfig(Config):
    """Which cluster, and what a job asks of a worker."""

    address: str | None = Field(
        None,
        description="HOST:PORT of the cluster's scheduler, also tls://HOST:PORT; "
        "none: $DASK_SCHEDULER_ADDRESS, else processes of this machine",
    )
    resources: dict[str, PositiveFloat] = Field(
        {}, description="what a job asks of its worker: resources that the workers were started with, such as {GPU: 1}"
    )

    @model_validator(mode="after")
    def _known_address(self) -> Self:
        if self.address is not None and not ADDRESS.fullmatch(self.address):
            raise ValueError(f"address {self.address!r} is not HOST:PORT of a scheduler, such as head:8786")
        return self
