"""Every installed executor runs jobs as the contract says."""

import pytest

from harness.components import Executor
from harness.errors import UserError
from harness.plugins import registry
from harness.testing.executors import check_executor

SLOW = {"dask": "each job starts an interpreter", "ray": "each check starts a cluster", "slurm": "each job starts an interpreter"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.long] if name in SLOW else []) for name in registry().names("executor")]
)
def test_an_executor_runs_every_job_and_passes_stops_on(name):
    executor = registry().get(Executor, name, where="test")
    try:
        executor.check_packages()
    except UserError as error:
        pytest.skip(str(error))
    check_executor(executor)
