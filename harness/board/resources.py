"""Settings of what a job asks of its machine, as boards and the files of users write them."""

from __future__ import annotations

from pydantic import Field, PositiveFloat, PositiveInt

from harness.config import Config
from harness.interfaces import Resources


class ResourcesConfig(Config):
    """Demands of the jobs of a base or a method on their machines. No number and no key depends on them, and an executor that
    cannot give something ignores it. The user's own files and the command line go before the board
    ([more](configuration.md#resources))."""

    gpus: int | None = Field(None, ge=0, description="cards")
    cpus: PositiveInt | None = Field(None, description="cores")
    memory_gib: PositiveFloat | None = Field(None, description="main memory, in GiB")
    hours: PositiveFloat | None = Field(
        None, description="time limit of one start; a job that reaches it saves its state, and goes on when it starts again"
    )

    @property
    def resources(self) -> Resources:
        """The settings as executors get them."""
        return Resources(self.gpus, self.cpus, self.memory_gib, self.hours)
