"""Names of tables say averaged weights, raw ones, or nothing; prefixes of wrappers come off."""

import pytest
import torch

from harness.weights.table_names import is_averaged, is_bookkeeping, may_hold_weights, without_wrappers


@pytest.mark.parametrize(
    "name",
    [
        "ema", "model_ema", "ema_model", "state_dict_ema", "ema_state_dict", "params_ema", "G_ema", "g_ema", "netG_ema",
        "modelEMA",
        "EMACallback", "shadow_params", "averaged_model", "average_model", "average_model_state", "net_ema",
        "swa_model", "avg_model", "ema_0.9999", "emas", "ema-weights", "unet_ema", "polyak",
    ],
)  # fmt: skip
def test_trainers_names_of_averaged_weights_are_known(name):
    assert is_averaged((name,)) is True


@pytest.mark.parametrize("name", ["online_model", "raw", "non_ema", "model_without_ema", "no-ema", "current_model_state"])
def test_names_of_raw_weights_are_known(name):
    assert is_averaged((name,)) is False


@pytest.mark.parametrize("name", ["exp_avg", "exp_avg_sq", "max_exp_avg_sq", "exp_inf", "square_avg", "grad_avg", "avg_squared"])
def test_an_optimisers_averages_of_gradients_are_never_averaged_weights(name):
    assert is_averaged((name,)) is False
    assert is_averaged(("ema", name)) is False
    assert is_bookkeeping(name)


@pytest.mark.parametrize("name", ["model", "state_dict", "net", "teacher", "schema", "cinema", "leman", "ema_current", ""])
def test_other_names_say_nothing(name):
    assert is_averaged((name,)) is None


def test_the_innermost_key_that_says_something_decides():
    assert is_averaged(("ema", "online_model")) is False
    assert is_averaged(("ema", "model", "state_dict")) is True
    assert is_averaged(("online", "ema")) is True
    assert is_averaged(()) is None


@pytest.mark.parametrize("key", ["optimizer", "optimizer_states", "g_optim", "opt", "lr_scheduler", "scaler", "rng_states"])
def test_tables_of_optimisers_are_no_weights(key):
    assert is_bookkeeping(key)


def test_of_what_an_optimiser_keeps_only_averages_may_be_weights():
    assert may_hold_weights(("net",))
    assert may_hold_weights(("optimizer_states", "0", "ema"))
    assert may_hold_weights(("ema_scheduled",))
    assert not may_hold_weights(("optimizer_states", "0", "params"))
    assert not may_hold_weights(("ema", "optimizer"))
    assert not may_hold_weights(("optimizer", "exp_avg"))


@pytest.mark.parametrize("key", ["model", "optimal_model", "option", "adopted"])
def test_other_keys_are_followed(key):
    assert not is_bookkeeping(key)


@pytest.mark.parametrize("before", ["", "module.", "_orig_mod.module.", "module.module._orig_mod.", "_forward_module.module."])
def test_prefixes_that_all_names_have_come_off(before):
    value = torch.zeros(1)
    assert without_wrappers({f"{before}a.module.b": value, f"{before}c": value}) == {"a.module.b": value, "c": value}


def test_a_prefix_that_some_names_lack_stays():
    value = torch.zeros(1)
    assert without_wrappers({"module.a": value, "b": value}) == {"module.a": value, "b": value}
    assert without_wrappers({}) == {}
