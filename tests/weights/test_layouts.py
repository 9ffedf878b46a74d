"""Tensors are found inside checkpoints, averaged ones first, without the prefixes of wrappers."""

from pathlib import Path

import pytest
import torch

from harness.errors import UserError
from harness.weights.layouts import Layout, renamed_attention, unwrapped
from harness.weights.stored import Stored

PLAIN = {"a.weight": torch.zeros(2), "b.weight": torch.ones(3)}
AVERAGED = {"a.weight": torch.full((2,), 5.0), "b.weight": torch.full((3,), 5.0)}


def stored(content):
    return Stored(Path("file.pt"), "pytorch", content)


def assert_same(found, expected):
    assert list(found) == list(expected)
    assert all(found[name] is expected[name] for name in expected)


def test_tensors_at_the_top_are_taken_and_other_entries_left():
    assert_same(unwrapped(stored({**PLAIN, "epoch": 3, "name": "x"})), PLAIN)


@pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model", "net", "params", "ema", "ema_state_dict"])
def test_tensors_are_found_under_every_usual_key(key):
    assert_same(unwrapped(stored({"epoch": 3, key: PLAIN})), PLAIN)


@pytest.mark.parametrize("key", ["ema", "model_ema", "ema_model", "ema_state_dict", "params_ema"])
def test_averaged_weights_go_before_the_others_wherever_they_stand(key):
    assert_same(unwrapped(stored({"model": PLAIN, key: AVERAGED, "optimizer": {}})), AVERAGED)
    assert_same(unwrapped(stored({key: AVERAGED, "model": PLAIN})), AVERAGED)


def test_an_empty_table_is_passed_over():
    assert_same(unwrapped(stored({"ema": {}, "model": PLAIN})), PLAIN)


def test_tables_may_lie_inside_one_another():
    assert_same(unwrapped(stored({"model": {"net": {"state_dict": PLAIN}}})), PLAIN)


def test_a_checkpoint_that_contains_itself_is_refused_and_not_followed_for_ever():
    loop: dict[str, object] = {}
    loop["model"] = loop
    with pytest.raises(UserError, match="no tensors by name"):
        unwrapped(stored(loop))


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod."])
def test_the_prefixes_of_wrappers_are_removed(prefix):
    assert_same(unwrapped(stored({prefix + name: value for name, value in PLAIN.items()})), PLAIN)


def test_a_prefix_that_only_some_names_have_is_part_of_them():
    mixed = {"module.a": PLAIN["a.weight"], "b": PLAIN["b.weight"]}
    assert_same(unwrapped(stored(mixed)), mixed)


def test_a_family_may_look_under_keys_of_its_own():
    class OwnKeys(Layout):
        keys = ("generator",)

    content = stored({"ema": AVERAGED, "generator": PLAIN})
    assert_same(OwnKeys().tensors(content, torch.nn.Module(), ""), PLAIN)
    assert_same(Layout().tensors(content, torch.nn.Module(), ""), AVERAGED)
    assert Layout().describe(content) is None


def test_a_file_without_tensors_says_where_they_were_looked_for_and_what_it_has():
    with pytest.raises(UserError) as caught:
        unwrapped(stored({"epoch": 3, "args": {}}), ("model", "ema"))
    assert str(caught.value) == "file.pt: no tensors by name, neither at its top nor in its tables; it has args, epoch"
    with pytest.raises(UserError, match="it has nothing"):
        unwrapped(stored({}))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("down.0.attentions.1.query.weight", "down.0.attentions.1.to_q.weight"),
        ("mid.attentions.0.key.bias", "mid.attentions.0.to_k.bias"),
        ("mid.attentions.0.value.bias", "mid.attentions.0.to_v.bias"),
        ("mid.attentions.0.proj_attn.weight", "mid.attentions.0.to_out.0.weight"),
        ("mid.attentions.0.to_q.weight", "mid.attentions.0.to_q.weight"),
        ("mid.attentions.0.group_norm.weight", "mid.attentions.0.group_norm.weight"),
        ("text.query.weight", "text.query.weight"),
    ],
)
def test_attention_of_old_diffusers_files_gets_todays_names(old, new):
    value = torch.zeros(1)
    assert renamed_attention({old: value}) == {new: value}
