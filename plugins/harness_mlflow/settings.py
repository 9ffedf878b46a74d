"""Settings of the tracker."""

from __future__ import annotations

from pydantic import Field

from harness import Config


class MlflowConfig(Config):
    """Where runs go."""

    uri: str | None = Field(
        None, description="address of the server or store; none: $MLFLOW_TRACKING_URI, else files under runs/trackers/mlflow"
    )
    experiment: str | None = Field(None, description="experiment of the runs; none: the name of the board")
