"""Cards by name: hours from operations by hand, names as drivers have them, and names that nobody knows."""

import pytest

from harness.errors import UserError
from harness.process.cards import CARDS, Card, card, recognised

MADE_UP = Card("made-up", 10, {"fp32": 10.0, "bf16": 100.0})


def test_seconds_are_operations_over_the_peak_and_its_used_share():
    # 7e12 operations at 0.7 of 10e12 a second, and 50e12 at 0.25 of 100e12.
    assert MADE_UP.seconds({"fp32": 7e12}) == pytest.approx(1.0)
    assert MADE_UP.seconds({"fp32": 7e12, "bf16": 50e12}) == pytest.approx(3.0)


def test_a_precision_that_a_card_has_not_runs_as_float32():
    assert MADE_UP.seconds({"tf32": 7e12}) == pytest.approx(1.0)
    assert MADE_UP.assumption("tf32") == "tf32, which it has not, as fp32 at 0.7 of 10 TFLOP/s"
    assert card("h100").assumption("bf16") == "bf16 at 0.25 of 989.4 TFLOP/s"


@pytest.mark.parametrize(
    ("driver", "name"),
    [
        ("NVIDIA A100-SXM4-80GB", "a100"),
        ("Tesla V100-SXM2-16GB", "v100"),
        ("NVIDIA GeForce RTX 4090", "rtx-4090"),
        ("NVIDIA GeForce RTX 2080 Ti", "rtx-2080-ti"),
        ("NVIDIA H100 80GB HBM3", "h100"),
        ("NVIDIA H100 PCIe", "h100-pcie"),
        ("NVIDIA L40S", "l40s"),
        ("NVIDIA RTX A6000", "a6000"),
    ],
)
def test_cards_are_recognised_by_the_names_that_drivers_give(driver, name):
    assert recognised(driver) is CARDS[name]


@pytest.mark.parametrize("driver", ["NVIDIA H100 NVL", "NVIDIA GeForce RTX 4090 Laptop GPU", "NVIDIA L40", "Some Card"])
def test_cards_with_other_data_sheets_are_not_taken_for_those_of_the_table(driver):
    assert recognised(driver) is None


def test_an_unknown_name_is_refused_with_the_nearest_one():
    assert card("A100") is CARDS["a100"]
    with pytest.raises(UserError, match=r"--card h10: no card is called 'h10'; did you mean 'h100'\? there are v100, "):
        card("h10")
