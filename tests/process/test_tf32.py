"""TF32 is off where it is switched off, and records say where it is on."""

import subprocess
import sys

import pytest
import torch

from harness.process import environment, tf32


@pytest.fixture
def switches(monkeypatch):
    """Keep the switches of this process."""
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a card")
    convolutions, precision = torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()
    yield
    torch.backends.cudnn.allow_tf32 = convolutions
    torch.set_float32_matmul_precision(precision)


def test_torch_itself_would_convolve_in_tf32():
    code = "import torch; print(torch.backends.cudnn.allow_tf32)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "True"


def test_switching_off_reaches_products_and_convolutions(switches):
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.allow_tf32 = True
    assert tf32.is_on()
    tf32.switch_off()
    assert (torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32) == (False, False)
    assert not tf32.is_on()


@pytest.mark.parametrize("switch", ["products", "convolutions"])
def test_the_environment_of_a_card_says_whether_it_is_on(switches, switch):
    tf32.switch_off()
    assert environment.describe("cuda")["tf32"] == "off"
    if switch == "products":
        torch.set_float32_matmul_precision("high")
    else:
        torch.backends.cudnn.allow_tf32 = True
    assert environment.describe("cuda")["tf32"] == "on"
    assert "tf32" not in environment.describe("cpu")  # which has no TF32
