"""Settings of the tracker."""

from __future__ import annotations

from pydantic import Field

from harness import Config


class TrackioConfig(Config):
    """Where runs go."""

    project: str | None = Field(None, description="project of the runs; none: the name of the board")
    space: str | None = Field(None, description="Space of Hugging Face, `user/name`; none: $TRACKIO_SPACE_ID, else this machine")
