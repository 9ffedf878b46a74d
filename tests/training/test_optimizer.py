"""Optimisers: their schedule and clipping by hand, and that they go on exactly from their state."""

import copy
import math
import subprocess
import sys

import pytest
import torch
from torch import nn

from harness.training.optimizer import Optimizer, OptimizerConfig


@pytest.mark.parametrize(("settings", "expected"), [
    ({}, [1, 1, 1, 1, 1]),
    ({"warmup": 0.5}, [0.5, 1, 1, 1, 1]),
    ({"warmup": 1.0}, [0.25, 0.5, 0.75, 1, 1]),
    ({"decay": "linear"}, [1, 0.75, 0.5, 0.25, 0]),
    ({"decay": "cosine"}, [1, 0.8535533905932737, 0.5, 0.1464466094067262, 0]),  # (1 + cos(k π / 4)) / 2
    ({"decay": "cooldown", "cooldown": 0.5}, [1, 1, 1, 0.5, 0]),
    ({"decay": "cooldown", "cooldown": 1.0}, [1, 0.75, 0.5, 0.25, 0]),
    ({"decay": "cooldown", "cooldown": 0.5, "warmup": 0.5}, [0.5, 1, 1, 1, 0]),
    ({"warmup": 0.5, "decay": "linear"}, [0.5, 1, 1, 0.5, 0]),
    ({"warmup": 0.25, "decay": "inverse-sqrt"}, [1, 2**-0.5, 3**-0.5, 0.5, 5**-0.5]),
])  # fmt: skip
def test_the_rate_over_four_updates(settings, expected):
    config = OptimizerConfig(**settings)
    assert [config.factor(update, 4) for update in range(5)] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("decay", ["constant", "linear", "cosine", "cooldown"])
@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("updates", [1, 3, 100])
def test_the_rate_rises_over_the_warm_up_and_never_after_it_and_stays_in_range(decay, warmup, updates):
    config = OptimizerConfig(warmup=warmup, decay=decay)
    factors = [config.factor(update, updates) for update in range(updates + 1)]
    warm = math.ceil(warmup * updates)
    assert factors[:warm] == sorted(factors[:warm])
    assert factors[warm:] == sorted(factors[warm:], reverse=True)
    assert factors[0] > 0  # the first update is never lost
    assert all(0 <= factor <= 1 for factor in factors)


def test_a_warm_up_of_a_broken_number_of_updates_ends_at_the_peak_rate_and_not_above():
    config = OptimizerConfig(warmup=0.25)
    assert [config.factor(update, 10) for update in range(4)] == pytest.approx([0.4, 0.8, 1.0, 1.0])  # 2.5 updates


def test_a_schedule_that_is_overrun_stays_at_its_end():
    assert OptimizerConfig(decay="linear").factor(9, 4) == 0.0
    assert OptimizerConfig(decay="cosine").factor(9, 4) == 0.0
    assert OptimizerConfig().factor(9, 4) == 1.0


def test_a_fraction_of_one_update_warms_nothing_up():
    assert OptimizerConfig(warmup=0.1).factor(0, 4) == 1.0


def test_gradients_are_clipped_over_all_parameters():
    weights = [nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))]
    optimizer = Optimizer(OptimizerConfig(name="sgd", lr=1.0, clip=1.0), weights, updates=1)
    optimizer.update(3 * weights[0].sum() + 4 * weights[1].sum())  # the gradient's norm is 5
    assert [weight.item() for weight in weights] == pytest.approx([-0.6, -0.8], abs=1e-6)


def test_parameters_without_gradients_are_left_out():
    frozen, free = nn.Parameter(torch.ones(1), requires_grad=False), nn.Parameter(torch.ones(1))
    optimizer = Optimizer(OptimizerConfig(name="sgd", lr=1.0), [frozen, free], updates=1)
    optimizer.update((frozen * free).sum())
    assert (frozen.item(), free.item()) == (1.0, 0.0)


@pytest.mark.parametrize("name", ["adam", "adamw", "rmsprop", "sgd"])
def test_it_goes_on_exactly_from_its_state(name):
    config = OptimizerConfig(name=name, lr=0.1, warmup=0.3, decay="cosine", clip=0.5)
    model = nn.Linear(3, 2)
    whole, x = copy.deepcopy(model), torch.randn(5, 3)
    straight = Optimizer(config, whole.parameters(), updates=6)
    for _ in range(6):
        straight.update((whole(x) ** 2).mean())
    first = Optimizer(config, model.parameters(), updates=6)
    for _ in range(2):
        first.update((model(x) ** 2).mean())
    second = Optimizer(config, model.parameters(), updates=6)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    for _ in range(4):
        second.update((model(x) ** 2).mean())
    assert all(torch.equal(weight, expected) for weight, expected in zip(model.parameters(), whole.parameters(), strict=True))


def rates(config, updates):
    """The rate of each update."""
    weight = nn.Parameter(torch.ones(1))
    optimizer = Optimizer(config, [weight], updates=updates)
    found = []
    for _ in range(updates):
        optimizer.update(weight.sum())
        found.append(optimizer.torch.param_groups[0]["lr"])
    return found


def test_updates_take_the_rates_of_the_schedule():
    config = OptimizerConfig(name="sgd", lr=0.4, warmup=0.5, decay="linear")
    assert rates(config, 4) == pytest.approx([0.2, 0.4, 0.4, 0.2])
    assert rates(OptimizerConfig(name="sgd", lr=0.4), 3) == [0.4, 0.4, 0.4]


def test_one_update_of_each_algorithm_by_hand():
    """From 2, at a rate of 0.1, with a gradient of 3."""
    expected = {
        "sgd": 2 - 0.1 * 3,
        "adam": 2 - 0.1,  # m / sqrt(v) is 1 at the first step
        "adamw": 2 - 0.1 * 0.5 * 2 - 0.1,  # decoupled: the weight shrinks by rate times decay first
        "rmsprop": 2 - 0.1 * 3 / math.sqrt(0.01 * 9),  # v = 0.01 g^2
    }
    for name, value in expected.items():
        weight = nn.Parameter(torch.tensor([2.0]))
        config = OptimizerConfig(name=name, lr=0.1, weight_decay=0.5 if name == "adamw" else 0.0)
        Optimizer(config, [weight], updates=1).update(3 * weight.sum())
        assert weight.item() == pytest.approx(value, abs=1e-5), name


def test_the_moment_decays_reach_the_algorithm():
    optimizer = Optimizer(OptimizerConfig(betas=(0.5, 0.9)), [nn.Parameter(torch.ones(1))], updates=1)
    assert optimizer.torch.param_groups[0]["betas"] == (0.5, 0.9)


def test_an_update_forgets_the_gradients_of_the_one_before():
    weight = nn.Parameter(torch.zeros(1))
    optimizer = Optimizer(OptimizerConfig(name="sgd", lr=1.0), [weight], updates=2)
    optimizer.update(weight.sum())
    optimizer.update(weight.sum())
    assert weight.item() == -2.0  # and not -3
    optimizer.zero()
    assert weight.grad is None


def test_an_update_in_parts_clips_the_gradient_of_the_sum():
    weight = nn.Parameter(torch.zeros(2))
    optimizer = Optimizer(OptimizerConfig(name="sgd", lr=1.0, clip=1.0), [weight], updates=1)
    total = optimizer.update_in_parts(iter([3 * weight[0] + 1, 4 * weight[1] + 1]))
    assert weight.tolist() == pytest.approx([-0.6, -0.8], abs=1e-6)
    assert total.item() == 2.0
    assert not total.requires_grad


def test_each_loss_is_made_after_the_graph_of_the_one_before_is_gone():
    weight, order = nn.Parameter(torch.ones(1)), []

    def losses():
        for number in range(2):
            order.append(f"made {number}")
            loss = weight.sum()
            loss.register_hook(lambda _, number=number: order.append(f"followed {number}"))
            yield loss

    Optimizer(OptimizerConfig(name="sgd"), [weight], updates=1).update_in_parts(losses())
    assert order == ["made 0", "followed 0", "made 1", "followed 1"]


def test_an_update_without_a_loss_is_an_error():
    with pytest.raises(ValueError, match="at least one loss"):
        Optimizer(OptimizerConfig(), [nn.Parameter(torch.ones(1))], updates=1).update_in_parts([])


@pytest.mark.parametrize("fault", [
    {"lr": 0.0}, {"name": "lion"}, {"warmup": 1.5}, {"clip": 0.0}, {"decay": "steps"}, {"momentum": 0.9},
    {"betas": (0.9, 1.0)}, {"betas": (-0.1, 0.9)},
])  # fmt: skip
def test_settings_out_of_range_are_refused(fault):
    with pytest.raises(ValueError, match=next(iter(fault))):
        OptimizerConfig.model_validate(fault)


def test_naming_an_optimizer_in_settings_costs_no_torch():
    code = "import sys, harness.training.optimizer, harness.training.config; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_schedule_that_older_boards_do_not_name_moves_no_key_of_theirs():
    from harness_sft_pg import SFTPGConfig

    assert "cooldown" not in OptimizerConfig().identity
    assert "cooldown" not in str(SFTPGConfig().identity)  # three optimisers within the settings of a method
    changed = SFTPGConfig(critic_optimizer=OptimizerConfig(decay="cooldown", cooldown=0.1))
    assert str(changed.identity).count("cooldown': 0.1") == 1


def test_an_inverse_root_needs_a_warm_up_to_fall_from():
    with pytest.raises(ValueError, match="it needs a `warmup` above 0"):
        OptimizerConfig(decay="inverse-sqrt")


@pytest.mark.parametrize("decays", [True, False])
def test_parameters_of_one_axis_can_be_spared_the_decay_of_weights(decays):
    matrix, vector = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2))
    config = OptimizerConfig(name="adamw", lr=0.1, weight_decay=0.5, decay_1d=decays)
    optimizer = Optimizer(config, [vector, matrix], updates=1)
    optimizer.update(0 * (matrix.sum() + vector.sum()))  # decay alone moves them: 1 - 0.1 * 0.5
    assert matrix.tolist() == [[pytest.approx(0.95)] * 2] * 2
    assert vector.tolist() == [pytest.approx(0.95 if decays else 1.0)] * 2


def test_settings_that_change_nothing_are_named():
    assert OptimizerConfig().unused == {"cooldown", "decay_1d"}
    assert OptimizerConfig(name="sgd", weight_decay=0.1).unused == {"cooldown", "betas"}
