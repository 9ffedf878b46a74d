"""Deterministic kernels: what is switched, and the message where an operation has none."""

import os

import pytest
import torch

from harness.errors import UserError
from harness.process import deterministic

KERNEL = (
    "upsample_bicubic2d_backward_out_cuda does not have a deterministic implementation, but you set "
    "'torch.use_deterministic_algorithms(True)'. You can turn off determinism just for this operation."
)
CUBLAS = (
    "Deterministic behavior was enabled with either `torch.use_deterministic_algorithms(True)` or "
    "`at::Context::setDeterministicAlgorithms(true)`, but this operation is not deterministic because it uses CuBLAS"
)


@pytest.fixture
def switches(monkeypatch):
    """Put the switches of this process back."""
    monkeypatch.delenv(deterministic.WORKSPACE, raising=False)
    for name in ("deterministic", "benchmark"):
        monkeypatch.setattr(torch.backends.cudnn, name, getattr(torch.backends.cudnn, name))
    monkeypatch.setattr(torch.utils.deterministic, "fill_uninitialized_memory", True)  # torch's own default
    yield
    torch.use_deterministic_algorithms(False)
    os.environ.pop(deterministic.WORKSPACE, None)


def test_everything_is_switched_on_together_and_off_together(switches):
    cudnn = torch.backends.cudnn
    deterministic.switch(True)
    assert (deterministic.is_on(), cudnn.deterministic, cudnn.benchmark) == (True, True, False)
    assert os.environ[deterministic.WORKSPACE] == ":4096:8"
    deterministic.switch(False)
    assert (deterministic.is_on(), cudnn.deterministic, cudnn.benchmark) == (False, False, True)


def test_new_tensors_are_not_filled(switches):
    settings = torch.utils.deterministic
    assert settings.fill_uninitialized_memory  # type: ignore[attr-defined]
    deterministic.switch(True)
    assert not settings.fill_uninitialized_memory  # type: ignore[attr-defined]


def test_the_users_own_workspace_stays(switches, monkeypatch):
    monkeypatch.setenv(deterministic.WORKSPACE, ":16:8")
    deterministic.switch(True)
    assert os.environ[deterministic.WORKSPACE] == ":16:8"


@pytest.mark.parametrize("text", [KERNEL, CUBLAS])
def test_an_operation_without_a_deterministic_kernel_names_the_setting(text):
    with pytest.raises(UserError, match="write `deterministic: false` on the board") as caught, deterministic.advice():
        raise RuntimeError(text)
    assert "upsample_bicubic2d_backward_out_cuda" in str(caught.value) or "CuBLAS" in text
    assert "but you set" not in str(caught.value)


def test_torch_words_the_error_as_the_advice_expects(switches):
    torch.use_deterministic_algorithms(True)
    x = torch.zeros(4)
    with pytest.raises(UserError, match="no deterministic kernel: put_"), deterministic.advice():
        x.put_(torch.tensor([0, 1]), torch.ones(2))


def test_other_errors_pass():
    with pytest.raises(RuntimeError, match="shapes"), deterministic.advice():
        raise RuntimeError("shapes do not fit")
    with pytest.raises(KeyError), deterministic.advice():
        raise KeyError("does not have a deterministic implementation")
