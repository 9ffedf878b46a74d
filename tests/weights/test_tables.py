"""Every table of tensors of a checkpoint is found, once, whatever it lies in."""

import torch

from harness.weights.tables import Table, tables_of, views

A, B = {"a.weight": torch.zeros(2)}, {"a.weight": torch.ones(2)}


def names(content):
    return [table.name for table in tables_of(content).named]


def test_tables_are_found_at_the_top_in_tables_and_in_lists():
    assert names({**A, "net": B, "state": {"list": [A, dict(B)]}, "step": 3, "none": None}) == [
        "",
        "net",
        "state.list.0",
        "state.list.1",
    ]


def test_the_same_table_is_found_once_and_a_circle_ends():
    loop: dict[str, object] = {"net": A, "again": A}
    loop["self"] = loop
    assert names(loop) == ["net"]


def test_tables_of_optimisers_are_left_out():
    assert names({"net": A, "optimizer": {"exp_avg": B, "state": {0: dict(B)}}, "opt": dict(B), "exp_avg_sq": dict(B)}) == ["net"]


def test_averaged_weights_that_an_optimiser_keeps_are_found():
    kept = {"optimizer_states": [{"opt": dict(A), "ema": B}], "optim_ema": dict(B), "schedule_free_ema": dict(B)}
    assert names({"net": A, **kept}) == ["net", "optimizer_states.0.ema", "optim_ema", "schedule_free_ema"]
    found = tables_of({"net": A, "optimizer_states": [{"params": [torch.ones(2)], "ema": [torch.ones(2)]}]})
    assert [(table.name, table.is_averaged) for table in found.named] == [("net", None), ("optimizer_states.0.ema", True)]


def test_keys_that_are_no_text_are_followed():
    assert names({"net": A, "ema": {0.9999: B, 1: dict(B), ("a", 2): dict(B), b"x": dict(B)}}) == [
        "net",
        "ema.0.9999",
        "ema.1",
        "ema.('a', 2)",
        "ema.b'x'",
    ]


def test_tables_deeper_than_a_checkpoint_nests_are_not_looked_for():
    content: dict[str, object] = dict(A)
    for _ in range(9):
        content = {"net": content}
    assert names(content) == []


def test_a_list_of_averages_gets_the_names_of_a_table_of_the_same_shapes():
    found = tables_of({"model": {**A, "count": torch.tensor(1)}, "ema": {"shadow_params": [torch.ones(2)]}})
    assert [table.name for table in found.named] == ["model", "ema.shadow_params"]
    averaged = found.named[1].tensors
    assert (list(averaged), averaged["a.weight"].tolist()) == (["a.weight", "count"], [1, 1])
    assert found.nameless == []


def test_a_list_of_averages_of_other_shapes_stays_without_names():
    found = tables_of({"model": A, "shadow_params": [torch.ones(3)], "losses": [torch.ones(4)]})
    assert [(values.title, len(values.values)) for values in found.nameless] == [("'shadow_params'", 1)]


def test_groups_of_a_table_are_those_behind_each_prefix():
    tensors = {f"{prefix}.{name}": torch.zeros(1) for prefix in ("net", "ema.net") for name in ("a", "b")}
    groups = list(views(Table(("sd",), tensors, None), smallest=2))
    assert [(group.name, list(group.tensors), group.is_averaged) for group in groups] == [
        ("sd", list(tensors), None),
        ("sd.net", ["a", "b"], None), ("sd.ema", ["net.a", "net.b"], True), ("sd.ema.net", ["a", "b"], True),
    ]  # fmt: skip


def test_names_of_averages_that_lost_their_points_get_them_back():
    tensors = {"model.net.out.2.weight": torch.zeros(1), "model_ema.netout2weight": torch.ones(1)}
    groups = {group.name: group.tensors for group in views(Table((), tensors, None), smallest=1)}
    assert groups["model_ema"] == {"net.out.2.weight": torch.ones(1)}
