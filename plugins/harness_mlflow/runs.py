"""Runs of MLflow, through its client: no global run, no autologging."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping

from harness.tracking import RunSummary, TrackedRun
from harness_mlflow.settings import MlflowConfig

RUN_ID = "harness.run"
"""The tag by which a killed run is found again; MLflow gives runs ids of its own."""
LONGEST_VALUE = 500
_NOT_ALLOWED = re.compile(r"[^\w\-. /]")


class MlflowRun:
    """Implements `harness.tracking.RunTracker`."""

    def __init__(self, config: MlflowConfig, run: TrackedRun) -> None:
        for name in ("MLFLOW_ALLOW_FILE_STORE", "MLFLOW_DISABLE_TELEMETRY"):  # newer versions write no files unless told to
            os.environ.setdefault(name, "true")
        from mlflow.tracking import MlflowClient  # the optional package

        logging.getLogger("mlflow").setLevel(logging.WARNING)  # a worker's stderr shows what happens to cells
        uri = config.uri or os.environ.get("MLFLOW_TRACKING_URI") or (run.folder / "mlruns").absolute().as_uri()
        self._client = MlflowClient(tracking_uri=uri)
        experiment = self._experiment(config.experiment or run.board)
        self._id = (run.is_resumed and self._find(experiment, run.id)) or self._create(experiment, run)
        self._status = "KILLED"

    def _experiment(self, name: str) -> str:
        """Return the id of the experiment, which another process may make at the same moment."""
        for _ in range(2):
            if (found := self._client.get_experiment_by_name(name)) is not None:
                return str(found.experiment_id)
            try:
                return str(self._client.create_experiment(name))
            except Exception:  # it is there now, or the second try says why not
                continue
        return str(self._client.create_experiment(name))

    def _find(self, experiment: str, run_id: str) -> str | None:
        found = self._client.search_runs([experiment], f"tags.`{RUN_ID}` = '{run_id}'", max_results=1)
        if not found:
            return None
        self._client.update_run(found[0].info.run_id, status="RUNNING")
        return str(found[0].info.run_id)

    def _create(self, experiment: str, run: TrackedRun) -> str:
        tags = {RUN_ID: run.id, **run.tags}
        created = str(self._client.create_run(experiment, run_name=run.name, tags=tags).info.run_id)
        for name, value in _flat(run.config):
            self._client.log_param(created, _allowed(name), str(value)[:LONGEST_VALUE])
        return created

    def log(self, step: int, images: int, values: Mapping[str, float]) -> None:
        """See the interface."""
        for name, value in {"images": images, **values}.items():
            self._client.log_metric(self._id, _allowed(name), value, step=step)

    def finish(self, summary: RunSummary) -> None:
        """See the interface."""
        final = {f"final/{name}": value for name, value in summary.metrics.items()}
        final |= {f"cost/{name}": value for name, value in summary.costs.items()}
        for name, value in final.items():
            self._client.log_metric(self._id, _allowed(name), value, step=summary.steps)
        for name, text in {"status": summary.status, "reason": summary.reason, **summary.facts}.items():
            self._client.set_tag(self._id, name, text)
        self._status = "FINISHED" if summary.status == "done" else "FAILED"

    def close(self) -> None:
        """See the interface. A cell that will go on is shown as killed until then."""
        self._client.set_terminated(self._id, self._status)


def _allowed(name: str) -> str:
    """Return a name with the characters that MLflow takes: `fid[digits-cnn]` becomes `fid_digits-cnn_`."""
    return _NOT_ALLOWED.sub("_", name)


def _flat(config: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
