"""Energy and memory of a card, with a library that stands in for NVIDIA's."""

import sys
from types import SimpleNamespace

import pytest

from harness.process import card_meter
from harness.process.card_meter import CardMeter, Usage


class NvmlError(Exception):
    """Stands in for pynvml.NVMLError."""


class FakeNvml:
    """A card whose counter grows by 3.6 kJ between start and stop, and whose memory is given look by look."""

    def __init__(self, *, has_counter=True, power=100_000, memory=(5, 9, 7)):
        self.has_counter, self.power, self.memory, self.open = has_counter, power, list(memory), 0
        self.counter = 1_000_000

    def nvmlInit(self):
        self.open += 1

    def nvmlShutdown(self):
        self.open -= 1

    def nvmlDeviceGetHandleByUUID(self, uuid):
        assert uuid == "GPU-1"
        return "card"

    def nvmlDeviceGetMemoryInfo(self, card):
        return SimpleNamespace(used=self.memory.pop(0) if len(self.memory) > 1 else self.memory[0])

    def nvmlDeviceGetPowerUsage(self, card):
        return self.power

    def nvmlDeviceGetTotalEnergyConsumption(self, card):
        if not self.has_counter:
            raise NvmlError("not supported")
        return self.counter


@pytest.fixture(autouse=True)
def _fast(monkeypatch):
    monkeypatch.setattr(card_meter, "SAMPLE_SECONDS", 0.01)


def test_energy_is_the_difference_of_the_counter_in_watt_hours():
    card = FakeNvml()
    meter = CardMeter(card, "GPU-1")
    card.counter += 3_600_000  # millijoules
    assert meter.stop()[0] == pytest.approx(1.0)
    assert card.open == 0


def test_memory_is_the_largest_that_was_seen():
    card = FakeNvml(memory=(5, 9, 7))
    meter = CardMeter(card, "GPU-1")
    while len(card.memory) > 1:
        pass
    assert meter.stop()[1] == 9


def test_without_a_counter_power_is_added_up(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(card_meter, "SAMPLE_SECONDS", 60.0)  # the looks of this test are its own
    monkeypatch.setattr("harness.process.card_meter.time.monotonic", lambda: now[0])
    meter = CardMeter(FakeNvml(has_counter=False), "GPU-1")
    for now[0] in (18.0, 36.0):
        meter._look()
    assert meter.stop()[0] == pytest.approx(1.0)  # 100 W for 36 s are 3,600 J


def test_a_card_that_tells_nothing_gives_nothing(monkeypatch):
    card = FakeNvml(has_counter=False)
    monkeypatch.setattr(card, "nvmlDeviceGetMemoryInfo", lambda _: 1 / 0)
    assert CardMeter(card, "GPU-1").stop() == (None, None)


def test_on_a_cpu_and_without_the_package_there_is_no_meter(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert card_meter.start("cpu") is None
    assert card_meter.start("cuda") is None


def test_the_card_of_the_process_is_measured(monkeypatch):
    card = FakeNvml()
    monkeypatch.setitem(sys.modules, "pynvml", card)
    monkeypatch.setattr(card_meter, "_uuid", lambda: "GPU-1")
    meter = card_meter.start("cuda")
    card.counter += 7_200_000
    assert meter.stop()[0] == pytest.approx(2.0)


def test_the_usage_so_far_is_noted_for_a_process_that_is_killed(monkeypatch):
    monkeypatch.setattr(card_meter, "NOTE_SECONDS", 0.0)
    card, notes = FakeNvml(), []
    card.nvmlDeviceGetTotalEnergyConsumption = lambda _: 1_000_000 + 3_600_000 * bool(notes)
    meter = CardMeter(card, "GPU-1", notes.append)
    while len(notes) < 2:
        pass
    meter.stop()
    assert notes[1].energy_wh == pytest.approx(1.0)


def test_what_one_process_does_not_know_is_not_known_of_all():
    assert Usage(1.0, 5).plus(Usage(2.0, 3)) == (3.0, 5)
    assert Usage(None, 5).plus(Usage(2.0, 3)) == (None, 5)
    assert Usage(1.0, 5).plus(Usage(2.0, None)) == (3.0, None)
