"""Settings of training: budgets of whole steps, averages that exist, and keys that old records keep."""

import re

import pytest
from pydantic import ValidationError

from harness.training.config import PowerFunctionEMA, TrainingConfig


def fault(**settings):
    """The one fault of these settings."""
    with pytest.raises(ValidationError) as caught:
        TrainingConfig.model_validate({"images": 8, "batch": 4, **settings})
    [error] = caught.value.errors()
    return error["msg"]


def test_a_budget_is_whole_steps():
    assert TrainingConfig(images=8, batch=4).steps == 2
    assert TrainingConfig(images=128).steps == 1


@pytest.mark.parametrize(("images", "nearest"), [(10, 8), (15, 12), (3, 4)])
def test_a_budget_that_is_not_is_told_the_nearest(images, nearest):
    assert fault(images=images).endswith(f"images ({images}) is not a multiple of batch (4); nearest: {nearest}")


def test_a_micro_batch_is_no_larger_than_the_batch():
    assert TrainingConfig(images=8, batch=4, micro_batch=4).micro_batch == 4
    assert fault(micro_batch=8).endswith("micro_batch (8) is above batch (4)")


def test_an_average_is_a_decay_or_a_mapping_or_nothing():
    assert TrainingConfig(images=8, batch=4).ema is None
    assert TrainingConfig(images=8, batch=4, ema=0.99).ema == 0.99
    power = TrainingConfig.model_validate({"images": 8, "batch": 4, "ema": {"std": 0.1}}).ema
    assert power == PowerFunctionEMA(std=0.1, tracked=(0.05, 0.10), snapshots=8)


@pytest.mark.parametrize("ema", [0.0, 1.0, 1.5, -0.5, {"std": 0.0}, {"std": 0.2886}, {"tracked": []}, {"snapshots": 0}])
def test_averages_that_do_not_exist_are_refused(ema):
    with pytest.raises(ValidationError, match="ema"):
        TrainingConfig.model_validate({"images": 8, "batch": 4, "ema": ema})


@pytest.mark.parametrize("tracked", [(0.05, 0.05), (0.05, 0.3), (0.0, 0.1)])
def test_tracked_lengths_are_different_and_exist(tracked):
    with pytest.raises(
        ValidationError, match=re.escape(f"tracked needs different lengths above 0 and below 0.2886, not {[*tracked]}")
    ):
        PowerFunctionEMA(tracked=tracked)


def test_keys_leave_out_later_settings_at_their_defaults_and_hold_all_others():
    """Records from before these settings were there stay fresh."""
    old = {"images": 8, "batch": 4, "ema": None, "select": "last"}
    assert TrainingConfig(images=8, batch=4).identity == old
    used = {"micro_batch": 2, "precision": "bf16", "channels_last": True, "compile": True, "flip": True}
    assert TrainingConfig(images=8, batch=4, **used).identity == {**old, **used}


@pytest.mark.parametrize("settings", [{"data": "disk", "workers": 2}, {"data": "device"}, {"workers": 0}])
def test_where_the_data_lie_is_no_part_of_a_key(settings):
    assert TrainingConfig(images=8, batch=4, **settings).identity == TrainingConfig(images=8, batch=4).identity


def test_data_on_the_device_leave_workers_nothing_to_read():
    assert fault(data="device", workers=2).endswith(
        "workers (2) read from host or disk, and data: device has nothing left to read"
    )
