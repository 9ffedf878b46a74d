"""MLflow's file store holds what was logged; a killed run is found again."""

from importlib.util import find_spec

import pytest
from tracked_runs import SUMMARY, a_run

pytestmark = [
    pytest.mark.skipif(find_spec("mlflow") is None, reason="needs the extra [mlflow]"),
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture(autouse=True)
def _no_server(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def test_the_store_holds_the_run_and_a_killed_one_goes_on_in_it(tmp_path):
    from harness_mlflow.runs import MlflowRun
    from harness_mlflow.settings import MlflowConfig

    first = MlflowRun(MlflowConfig(), a_run(tmp_path))
    first.log(100, 6400, {"loss": 0.5})
    first.close()
    resumed = MlflowRun(MlflowConfig(), a_run(tmp_path, is_resumed=True))
    resumed.log(200, 12800, {"loss": 0.25})
    resumed.finish(SUMMARY)
    resumed.close()

    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=(tmp_path / "mlruns").as_uri())
    (experiment,) = [found for found in client.search_experiments() if found.name == "rings"]
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.run_name, run.info.status) == ("net/fit/s0", "FINISHED")
    assert [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, "loss")] == [
        (100, 0.5),
        (200, 0.25),
    ]
    assert run.data.metrics["final/fid_cnn_"] == 2.5
    assert run.data.params["method.settings.lr"] == "0.1"
    assert {"board": "rings", "cell": "net/fit/s0", "commit": "0123456789ab", "status": "done"}.items() <= run.data.tags.items()


def test_a_cell_that_will_go_on_is_shown_as_killed(tmp_path):
    from harness_mlflow.runs import MlflowRun
    from harness_mlflow.settings import MlflowConfig

    run = MlflowRun(MlflowConfig(experiment="mine"), a_run(tmp_path))
    run.log(100, 6400, {"loss": 0.5})
    run.close()
    assert run._client.get_run(run._id).info.status == "KILLED"
    assert run._client.get_experiment_by_name("mine") is not None
