"""Devices by name: those that are not here are refused with one message, and CUDA is deterministic."""

import os
import subprocess
import sys

import pytest
import torch

from harness.errors import UserError
from harness.process import devices, environment
from harness.process.peak_memory import PeakMemory


class Cards:
    """Stands for torch.cuda on a machine with several cards: their names and memory, and the current one."""

    def __init__(self, monkeypatch, number):
        self.current, self.peaks = 0, [1000 * (card + 1) for card in range(number)]
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: number)
        monkeypatch.setattr(torch.cuda, "set_device", self.make_current)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda device=None: f"card {self.index(device)}")
        monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device=None: self.peaks[self.index(device)])
        monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device=None: self.reset(device))

    def index(self, device):
        return self.current if device is None else torch.device(device).index or 0

    def make_current(self, device):
        self.current = torch.device(device).index

    def reset(self, device):
        self.peaks[self.index(device)] = 0


@pytest.fixture
def one_card(monkeypatch):
    """A machine with one CUDA device, as far as torch says."""
    return Cards(monkeypatch, 1)


@pytest.fixture
def two_cards(monkeypatch, deterministic):
    yield Cards(monkeypatch, 2)
    devices.take_slot(0)
    devices.share_cards(0, 1)


@pytest.fixture
def deterministic(monkeypatch):
    """Keep the switches of this process; returns what was asked of torch."""
    asked = []
    monkeypatch.setattr(torch, "use_deterministic_algorithms", asked.append)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", False)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")  # which switches TF32 on
    yield asked
    torch.set_float32_matmul_precision(precision)


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
    assert devices.use("auto") == torch.device("cuda:0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert devices.use("auto") == torch.device("cpu")


def test_a_card_computes_deterministically_and_a_processor_is_left_alone(deterministic, one_card, monkeypatch):
    assert devices.use("cpu") == torch.device("cpu")
    assert (deterministic, torch.backends.cudnn.benchmark) == ([], True)
    assert devices.use("cuda:1") == torch.device("cuda", 1)
    assert (deterministic, torch.backends.cudnn.benchmark) == ([True], False)
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")  # the user's own, which is deterministic as well
    devices.use("cuda")
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"


def test_a_card_takes_the_fastest_kernels_where_the_board_says_so(deterministic, one_card):
    devices.use("cuda", is_deterministic=False)
    assert (deterministic, torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic) == ([False], True, False)
    assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ
    assert environment.describe("cuda")["deterministic"] == "off"


def test_memory_and_name_are_those_of_the_card_that_the_user_names(two_cards):
    devices.use("cuda:1")
    memory = PeakMemory("cuda")
    assert two_cards.peaks == [1000, 0]
    two_cards.peaks[1] = 70
    assert memory.read() == 70
    assert environment.describe("cuda")["device"] == "card 1"


@pytest.mark.parametrize("name", ["cuda", "auto"])
def test_workers_share_the_cards_out_where_no_card_is_named(two_cards, name):
    taken = []
    for slot in range(4):
        devices.take_slot(slot)
        taken.append(devices.use(name).index)
        assert two_cards.current == taken[-1]
    assert taken == [0, 1, 0, 1]
    assert devices.use("cuda:0").index == 0  # a card that is named is taken by all


def test_there_is_a_slot_for_each_card_and_without_cards_for_each_core(two_cards, monkeypatch, tmp_path):
    monkeypatch.setattr(devices, "DEVICE_FILES", (str(tmp_path),))
    assert [devices.slots(name) for name in ("auto", "cuda", "cuda:1", "cpu")] == [2, 2, 1, environment.cores()]
    monkeypatch.setattr(devices, "DEVICE_FILES", (str(tmp_path / "absent"),))
    assert devices.slots("auto") == environment.cores()


def test_a_machine_without_drivers_of_cards_is_told_without_torch():
    asks = "from harness.process import devices; devices.DEVICE_FILES = (); devices.slots('auto')"
    code = f"import sys; {asks}; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


@pytest.mark.parametrize("name", ["auto", "cuda", "cuda:1"])
def test_a_card_computes_float32_in_float32(two_cards, name):
    assert torch.backends.cudnn.allow_tf32
    assert torch.backends.cuda.matmul.allow_tf32
    devices.use(name)
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32
    assert torch.get_float32_matmul_precision() == "highest"
    assert environment.describe("cuda")["tf32"] == "off"


def test_processes_of_jobs_on_several_devices_take_the_cards_in_turn(monkeypatch, two_cards):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    taken = []
    for slot in (0, 1):
        devices.take_slot(slot)
        for rank in (0, 1):
            devices.share_cards(rank, 2)
            taken.append(devices.use("cuda").index)
    assert taken == [0, 1, 2, 3]


def test_jobs_on_several_devices_are_as_many_fewer(monkeypatch):
    monkeypatch.setattr(devices, "_cards", lambda: 8)
    assert [devices.slots("cuda", n) for n in (1, 4, 5)] == [8, 2, 1]
    monkeypatch.setattr(devices, "cores", lambda: 4)
    assert [devices.slots("cpu", n) for n in (1, 2, 8)] == [4, 2, 1]


def test_more_devices_than_there_are_and_one_card_by_its_number_are_refused(monkeypatch, two_cards):
    monkeypatch.setattr(devices, "_cards", lambda: 2)
    devices.check("cuda", 2)
    devices.check("cpu", 3)
    with pytest.raises(UserError, match="--devices 3: PyTorch sees 2 CUDA devices here"):
        devices.check("auto", 3)
    with pytest.raises(UserError, match="--devices 2: --device cuda:1 is one card; name `--device cuda`"):
        devices.check("cuda:1", 2)
