"""A method that leaves the global state of its process changed is refused, and what it changed is named and put back."""

import os
import random
import signal
import sys
import time
import warnings

import numpy
import pytest
import torch
from torch.nn import functional

from harness.process import global_state
from harness.process.process_state import ProcessState
from harness.testing.global_state import check_global_state_is_left_alone

CHANGES = {
    "torch's default dtype (torch.float32, now torch.float64)": lambda: torch.set_default_dtype(torch.float64),
    "torch's default device (cpu, now meta)": lambda: torch.set_default_device("meta"),
    "whether gradients are on (torch.set_grad_enabled) (True, now False)": lambda: torch.set_grad_enabled(False),
    "torch's deterministic algorithms": lambda: torch.use_deterministic_algorithms(True),
    "torch's number of threads": lambda: torch.set_num_threads(torch.get_num_threads() + 1),
    "torch's precision of float32 products": lambda: torch.set_float32_matmul_precision("medium"),
    "cuDNN": lambda: setattr(torch.backends.cudnn, "benchmark", True),
    "benchmark, allow_tf32) ((": lambda: setattr(torch.backends.cudnn, "allow_tf32", not torch.backends.cudnn.allow_tf32),
    "reduced precision of CUDA's products": lambda: setattr(
        torch.backends.cuda.matmul, "allow_fp16_reduced_precision_reduction", False
    ),
    "oneDNN (torch.backends.mkldnn.enabled) (True, now False)": lambda: setattr(torch.backends.mkldnn, "enabled", False),
    "torch.nn.Linear.forward": lambda: setattr(torch.nn.Linear, "forward", torch.nn.Identity.forward),
    "torch.nn.Conv2d": lambda: setattr(torch.nn, "Conv2d", torch.nn.Identity),
    "NumPy's handling of errors": lambda: numpy.seterr(all="raise"),
    "the state of torch's global generator": lambda: torch.randn(1),
    "the state of NumPy's global generator": lambda: numpy.random.rand(),
    "the state of the generator of Python's random": random.random,
    "torch.randn": lambda: setattr(torch, "randn", torch.rand),
    "torch.nn.functional.relu": lambda: setattr(functional, "relu", functional.silu),
    "torch.Tensor.mul": lambda: setattr(torch.Tensor, "mul", torch.Tensor.add),
    "os.replace": lambda: setattr(os, "replace", os.rename),
    "time.time": lambda: setattr(time, "time", time.monotonic),
    "the working directory": lambda: os.chdir("/"),
    "the umask": lambda: os.umask(0o027),
    "sys.path": lambda: sys.path.append("/nowhere"),
    "sys.excepthook": lambda: setattr(sys, "excepthook", print),
    "the environment variable LEFT": lambda: os.environ.update(LEFT="1"),
    "the handler of SIGUSR2": lambda: signal.signal(signal.SIGUSR2, signal.SIG_IGN),
    "numpy.mean": lambda: setattr(numpy, "mean", numpy.median),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_left_changed_is_named_and_put_back(change):
    before, process = global_state.snapshot(), ProcessState()
    with pytest.raises(AssertionError, match=r"^method fit leaves the global state of its process changed: ") as caught:
        check_global_state_is_left_alone("method fit", CHANGES[change])
    assert change in str(caught.value)
    assert global_state.changes(before) + process.changes() == []


def test_several_changes_are_named_together():
    def work():
        torch.set_default_dtype(torch.float64)
        numpy.random.rand()

    with pytest.raises(AssertionError, match=r"default dtype .*; the state of NumPy's global generator; restore it"):
        check_global_state_is_left_alone("method fit", work)


def test_work_that_puts_back_what_it_changes_is_fine():
    def work():
        with torch.random.fork_rng(), torch.no_grad(), numpy.errstate(all="ignore"):
            torch.manual_seed(1)
            torch.randn(3)
        parameter = torch.nn.Parameter(torch.zeros(2))
        parameter.square().sum().backward()
        torch.optim.Adam([parameter]).step()  # its first step imports torch._dynamo

    check_global_state_is_left_alone("method fit", work)


def test_work_that_raises_leaves_its_own_error_and_no_change():
    def work():
        torch.set_grad_enabled(False)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), warnings.catch_warnings():
        check_global_state_is_left_alone("method fit", work)
    assert torch.is_grad_enabled()
