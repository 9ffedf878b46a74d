"""Every installed tracker writes runs as a job calls it. Those whose package is absent are skipped."""

import pytest

from harness.components import Tracker
from harness.errors import UserError
from harness.plugins import registry
from harness.testing.trackers import check_tracker


@pytest.mark.filterwarnings("ignore")  # what packages of trackers warn about at their import comes and goes with their releases
@pytest.mark.parametrize("name", registry().names("tracker"))
def test_a_tracker_writes_runs_and_goes_on_with_killed_ones(name, monkeypatch):
    for variable in ("MLFLOW_TRACKING_URI", "TRACKIO_SPACE_ID", "TRACKIO_DIR", "WANDB_PROJECT"):
        monkeypatch.delenv(variable, raising=False)
    tracker = registry().get(Tracker, name, where="test")
    try:
        tracker.check_packages()
    except UserError as error:
        pytest.skip(str(error))
    check_tracker(tracker)
