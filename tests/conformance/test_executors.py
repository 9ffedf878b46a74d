"""Every installed executor runs jobs as the contract says."""

import pytest

from harness.components import Executor
from harness.plugins import registry
from harness.testing.executors import check_executor


@pytest.mark.parametrize("name", registry().names("executor"))
def test_an_executor_runs_every_job_and_passes_stops_on(name):
    check_executor(registry().get(Executor, name, where="test"))
