"""Tracker `mlflow`: runs of MLflow, on a server or in the runs folder."""

from __future__ import annotations

from collections.abc import Sequence

from harness import Tracker, hookimpl
from harness_mlflow.settings import MlflowConfig

__version__ = "1"


@hookimpl
def harness_trackers() -> Sequence[Tracker]:
    """Provide the tracker."""
    return [
        Tracker(
            "mlflow",
            config=MlflowConfig,
            build="harness_mlflow.runs:MlflowRun",
            summary="MLflow, on a server or as files under runs/trackers/mlflow",
            packages={"mlflow": 'pip install "finetune-harness[mlflow]"'},
        )
    ]
