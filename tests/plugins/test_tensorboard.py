"""TensorBoard's event files hold what was logged, also of a run that was killed."""

from importlib.util import find_spec

import pytest
from tracked_runs import SUMMARY, a_run

pytestmark = [
    pytest.mark.skipif(find_spec("tensorboard") is None, reason="needs the extra [tensorboard]"),
    pytest.mark.filterwarnings("ignore"),
]


def scalars(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return {name: [(event.step, event.value) for event in events.Scalars(name)] for name in events.Tags()["scalars"]}


def test_scalars_and_final_values_are_in_the_files_and_a_killed_run_goes_on(tmp_path):
    from harness.config import NoConfig
    from harness_tensorboard.runs import TensorBoardRun

    killed = TensorBoardRun(NoConfig(), a_run(tmp_path))
    killed.log(100, 6400, {"loss": 0.5})  # no close: it was killed
    folder = tmp_path / "rings" / "net__fit__s0" / "0123456789abcdef"
    assert scalars(folder) == {"loss": [(100, 0.5)]}
    resumed = TensorBoardRun(NoConfig(), a_run(tmp_path, is_resumed=True))
    resumed.log(200, 12800, {"loss": 0.25})
    resumed.log(200, 12800, {"curve": 2.0})
    resumed.finish(SUMMARY)
    resumed.close()
    found = scalars(folder)
    assert found["loss"] == [(100, 0.5), (200, 0.25)]
    assert found["curve"] == [(200, 2.0)]
    assert found["final/fid[cnn]"] == [(200, 2.5)]
    assert found["cost/steps"] == [(200, 200.0)]
