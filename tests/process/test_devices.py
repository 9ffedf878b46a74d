"""Devices by name: those that are not here are refused with one message, and CUDA is deterministic."""

import os

import pytest
import torch

from harness.errors import UserError
from harness.process import devices


@pytest.fixture
def one_card(monkeypatch):
    """A machine with one CUDA device, as far as torch says."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)


@pytest.fixture
def deterministic(monkeypatch):
    """Keep the switches of this process; returns what was asked of torch."""
    asked = []
    monkeypatch.setattr(torch, "use_deterministic_algorithms", asked.append)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    return asked


@pytest.mark.parametrize("name", ["gpu", "cpu:0", "cuda:", "cuda:x", "cuda:-1", "auto:1", ""])
def test_a_name_of_no_device_is_refused_with_the_names_that_there_are(name):
    with pytest.raises(UserError, match=rf"^--device {name}: there are auto, cpu, cuda and cuda:N$"):
        devices.check(name)


def test_a_device_that_this_machine_lacks_is_refused_with_the_number_that_it_has(one_card, monkeypatch):
    for name in ("auto", "cpu", "cuda", "cuda:0"):
        devices.check(name)
    with pytest.raises(UserError, match=r"^--device cuda:1: PyTorch sees 1 CUDA devices here; see `harness doctor`$"):
        devices.check("cuda:1")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(UserError, match="--device cuda: PyTorch sees 0 CUDA devices"):
        devices.check("cuda")


def test_auto_takes_the_card_where_there_is_one(one_card, deterministic, monkeypatch):
    assert devices.use("auto") == torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert devices.use("auto") == torch.device("cpu")


def test_a_card_computes_deterministically_and_a_processor_is_left_alone(deterministic, monkeypatch):
    assert devices.use("cpu") == torch.device("cpu")
    assert (deterministic, torch.backends.cudnn.benchmark) == ([], True)
    assert devices.use("cuda:1") == torch.device("cuda", 1)
    assert (deterministic, torch.backends.cudnn.benchmark) == ([True], False)
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")  # the user's own, which is deterministic as well
    devices.use("cuda")
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"
