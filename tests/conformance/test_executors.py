"""Every installed executor runs jobs as the contract says."""

import pytest

from harness.components import Executor
from harness.plugins import registry
from harness.testing.executors import check_executor


def executors():
    """Give the names of all executors; those with a queue start an interpreter for each job, which takes minutes in all."""
    for name in registry().names("executor"):
        has_queue = registry().get(Executor, name, where="test").has_queue
        yield pytest.param(name, marks=[pytest.mark.long] if has_queue else [])


@pytest.mark.parametrize("name", executors())
def test_an_executor_runs_every_job_and_passes_stops_on(name):
    check_executor(registry().get(Executor, name, where="test"))
