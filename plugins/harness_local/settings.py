"""Settings of the executor `local`."""

from __future__ import annotations

from pydantic import Field

from harness.config import Config


class LocalConfig(Config):
    """How jobs get their processes."""

    reuse: bool = Field(
        False,
        description="one process does many jobs, one after the other, which saves the start of a process for each; "
        "one that a job leaves changed ends, and a warning names the job and the change",
    )
