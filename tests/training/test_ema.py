"""Averages of weights by hand, and from one checkpoint to the next."""

import pytest
import torch
from torch import nn

from harness.training import power_function
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


def test_after_many_steps_each_weight_has_its_share():
    """decay^n theta_0 + (1 - decay) sum of decay^(n - k) theta_k."""
    decay, values = 0.8, [3.0, -1.0, 4.0, 1.0, -5.0]
    model = OneWeight(2.0)
    ema = ExponentialAverage(model, decay)
    for value in values:
        with torch.no_grad():
            model.weight.fill_(value)
        ema.update()
    n = len(values)
    expected = decay**n * 2.0 + (1 - decay) * sum(decay ** (n - k - 1) * value for k, value in enumerate(values))
    assert ema.weights()["weight"].item() == pytest.approx(expected, rel=1e-6)


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
        share **= power_function.exponent(0.1) + 1
        expected = share * expected + (1 - share) * value
    assert walk(settings, 3, values).weights()["weight"].item() == pytest.approx(expected)


def test_another_length_is_put_together_from_snapshots_and_is_near_the_one_that_tracking_gives():
    values = [step / 64 for step in range(64)]
    tracked = walk(PowerFunctionEMA(std=0.08, tracked=(0.08,)), 64, values).weights()["weight"].item()
    made = walk(PowerFunctionEMA(std=0.08, tracked=(0.05, 0.1), snapshots=8), 64, values).weights()["weight"].item()
    assert tracked < 0.95  # far from the last value, so that agreement says something
    assert made == pytest.approx(tracked, abs=2e-3)  # least squares over sixteen profiles


def test_an_average_that_is_put_together_has_the_models_buffers():
    class Buffers(OneWeight):
        def __init__(self, value):
            super().__init__(value)
            self.register_buffer("table", torch.arange(12))
            self.register_buffer("mask", torch.tensor([0.0, -torch.inf]))

    model = Buffers(0.0)
    track = PowerFunctionTracker(model, PowerFunctionEMA(std=0.2, snapshots=16), images=32, batch=2)
    for step in range(16):
        model.count.add_(1)
        track.update((step + 1) * 2)
    buffers, weights = dict(model.named_buffers()), track.weights()
    assert {name: weights[name].tolist() for name in buffers} == {name: value.tolist() for name, value in buffers.items()}


class Tied(nn.Module):
    """A network whose last layer has the weight of its first one, under a name of its own."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
        self.last.weight = self.first.weight


@pytest.mark.parametrize("ema", [0.5, {"std": 0.1}, {"std": 0.2}])
def test_a_weight_of_two_names_has_one_average(ema):
    """Loaded in the order of its names, the network would else end with the last weights and not with their average."""
    model, loaded = Tied(), Tied()
    track = make_average(model, TrainingConfig.model_validate({"images": 8, "batch": 2, "ema": ema}))
    for step in range(4):
        with torch.no_grad():
            model.first.weight.fill_(float(step))
        track.update(2 * step + 2)
    loaded.load_state_dict(track.weights())
    assert ((loaded.last.weight > 0) & (loaded.last.weight < 2.99)).all()
    assert torch.equal(track.weights()["first.weight"], track.weights()["last.weight"])


def test_before_the_first_step_the_weights_are_the_models():
    track = PowerFunctionTracker(OneWeight(4.0), PowerFunctionEMA(std=0.08), images=4, batch=2)
    assert track.weights()["weight"].item() == 4.0


@pytest.mark.parametrize(("std", "times"), [(0.05, ["now"]), (0.08, ["now", "6", "12", "18", "24"])])
def test_snapshots_are_spread_evenly_and_there_are_none_where_the_length_is_tracked(std, times):
    track = walk(PowerFunctionEMA(std=std, snapshots=4), 12, [1.0] * 12)
    names = list(track.tensors())
    assert list(dict.fromkeys(name.split("/")[0] for name in names)) == times
    assert set(names) == {f"{time}/{length}/{name}" for time in times for length in (0, 1) for name in ("weight", "count")}


def test_more_snapshots_than_steps_are_one_a_step():
    track = walk(PowerFunctionEMA(std=0.08, snapshots=100), 3, [1.0, 2.0, 3.0])
    assert {name.split("/")[0] for name in track.tensors()} == {"now", "2", "4", "6"}


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
