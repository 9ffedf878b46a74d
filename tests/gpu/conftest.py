"""Tests on a card: `pytest -m gpu`. They skip where there is none; HARNESS_GPU_TESTS=cpu rehearses them, on tiny networks."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

import pytest
import torch

from harness.process import devices

NAME = os.environ.get("HARNESS_GPU_TESTS", "cuda")
sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))  # networks with random weights are made there


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.gpu)
            item.add_marker(pytest.mark.filterwarnings("default"))  # drivers and libraries of cards warn of what is no fault


@pytest.fixture(scope="session")
def is_rehearsal() -> bool:
    """Whether the tests run on a CPU, with tiny networks."""
    return NAME == "cpu"


@pytest.fixture(scope="session")
def device(is_rehearsal: bool) -> torch.device:
    """The card, with deterministic kernels and without TF32, as jobs have it."""
    if not is_rehearsal:
        if not torch.cuda.is_available():
            pytest.skip("there is no card; HARNESS_GPU_TESTS=cpu rehearses on a CPU")
        workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))  # they share the card, and each has its part of the CPU
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // workers))  # for the CPU's side of each comparison
    return devices.use(NAME)


@pytest.fixture
def held():
    """Returns the bytes of all tensors of a device that anything refers to, each storage once."""

    def held(device: torch.device) -> int:
        gc.collect()
        storages = {}
        for thing in gc.get_objects():
            if issubclass(type(thing), torch.Tensor) and thing.device.type == device.type:
                storage = thing.untyped_storage()
                storages[storage.data_ptr()] = storage.nbytes()
        return sum(storages.values())

    return held
