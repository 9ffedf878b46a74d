import pytest
import torch
from torch import nn

from harness.training import averages
from harness.training.config import PowerFunctionEMA, TrainingConfig
from harness.training.ema import ExponentialAverage, PowerFunctionTracker, make_average


class OneWeight(nn.Module):
    def __init__(self, value):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([value]))
        self.register_buffer("count", torch.tensor(0))


def test_the_average_follows_by_hand():
    model = OneWeight(1.0)
    ema = ExponentialAverage(model, 0.75)
    with torch.no_grad():
        model.weight.fill_(5.0)
    ema.update()
    assert ema.weights()["weight"].item() == pytest.approx(2.0)  # 0.75 · 1 + 0.25 · 5
    ema.update()
    assert ema.weights()["weight"].item() == pytest.approx(2.75)  # 0.75 · 2 + 0.25 · 5
    assert model.weight.item() == 5.0


def test_buffers_are_the_models():
    model = OneWeight(1.0)
    ema = ExponentialAverage(model, 0.5)
    model.count.fill_(7)
    assert ema.weights()["count"].item() == 7


def test_weights_are_copies_and_restoring_is_exact():
    model = OneWeight(1.0)
    ema = ExponentialAverage(model, 0.9)
    with torch.no_grad():
        model.weight.fill_(2.0)
    ema.update()
    saved = ema.weights()
    other = ExponentialAverage(OneWeight(9.0), 0.9)
    other.restore(saved)
    ema.update()
    assert torch.equal(other.weights()["weight"], saved["weight"])
    assert not torch.equal(ema.weights()["weight"], saved["weight"])


def walk(settings, steps, values, restart_at=None):
    """A track that follows a weight through `values`, from a checkpoint of its own at one step."""
    model = OneWeight(0.0)
    track = PowerFunctionTracker(model, settings, images=steps * 2, batch=2)
    for step in range(steps):
        if step == restart_at:
            saved = {name: value.clone() for name, value in track.tensors().items()}
            track = PowerFunctionTracker(model, settings, images=steps * 2, batch=2)
            track.restore(saved, step * 2)
        with torch.no_grad():
            model.weight.fill_(values[step])
        track.update((step + 1) * 2)
    return track


def test_the_first_step_forgets_the_start_and_a_tracked_length_is_the_power_functions_average():
    settings = PowerFunctionEMA(std=0.1, tracked=(0.05, 0.1))
    values = [3.0, 5.0, 4.0]
    assert walk(settings, 1, values).weights()["weight"].item() == 3.0
    kept = [1 - 1 / (step + 1) for step in range(3)]
    expected = 0.0
    for share, value in zip(kept, values, strict=True):
        share **= averages.exponent(0.1) + 1
        expected = share * expected + (1 - share) * value
    assert walk(settings, 3, values).weights()["weight"].item() == pytest.approx(expected)


def test_another_length_is_put_together_from_snapshots_and_is_near_the_one_that_tracking_gives():
    values = [step / 64 for step in range(64)]
    tracked = walk(PowerFunctionEMA(std=0.08, tracked=(0.08,)), 64, values).weights()["weight"].item()
    made = walk(PowerFunctionEMA(std=0.08, tracked=(0.05, 0.1), snapshots=8), 64, values).weights()["weight"].item()
    assert tracked < 0.95  # far from the last value, so that agreement says something
    assert made == pytest.approx(tracked, abs=2e-3)  # least squares over sixteen profiles


@pytest.mark.parametrize("std", [0.05, 0.08])
@pytest.mark.parametrize("step", [1, 5, 8])
def test_averages_go_on_from_a_checkpoint_bit_for_bit(std, step):
    settings, values = PowerFunctionEMA(std=std, snapshots=4), [1.0, -2.0, 0.5] * 4
    whole, resumed = walk(settings, 12, values), walk(settings, 12, values, restart_at=step)
    assert torch.equal(whole.weights()["weight"], resumed.weights()["weight"])


def test_a_board_may_ask_for_either_kind():
    model = OneWeight(1.0)
    assert make_average(model, TrainingConfig(images=4, batch=2)) is None
    assert isinstance(make_average(model, TrainingConfig(images=4, batch=2, ema=0.5)), ExponentialAverage)
    power = TrainingConfig.model_validate({"images": 4, "batch": 2, "ema": {"std": 0.1}})
    assert isinstance(make_average(model, power), PowerFunctionTracker)
    for wrong in (1.5, {"std": 0.3}, {"tracked": []}):
        with pytest.raises(ValueError, match="ema"):
            TrainingConfig.model_validate({"images": 4, "batch": 2, "ema": wrong})
