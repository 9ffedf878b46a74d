"""What a board.yaml may say: short forms, defaults, and what is refused."""

import re

import pytest
from pydantic import ValidationError

from harness.board.schema import BoardConfig, BoardEvaluationConfig, EvaluationConfig, split_column

PRETRAIN = {"method": "mle", "training": {"images": 128}}


def board(**changes):
    plain = {
        "title": "Rings", "dataset": "ring", "bases": {"net": {"model": "mlp", "pretrain": PRETRAIN}},
        "methods": {"none": None}, "metrics": {"w2": None},
    }  # fmt: skip
    return BoardConfig.model_validate({**plain, **changes})


def base(**entry):
    return board(bases={"net": entry}).bases["net"]


def refusal(**changes):
    with pytest.raises(ValidationError) as caught:
        board(**changes)
    return "; ".join(error["msg"] for error in caught.value.errors())


@pytest.mark.parametrize(
    ("name", "parts"), [("w2", ("w2", None)), ("fid[fashion-cnn]", ("fid", "fashion-cnn")), ("kid.v2[a_b]", ("kid.v2", "a_b"))]
)
def test_the_name_of_a_column_is_a_metric_and_whose_features(name, parts):
    assert split_column(name) == parts


def test_a_component_may_be_its_name_or_a_mapping_with_its_settings():
    assert board(dataset="ring").dataset == board(dataset={"name": "ring"}).dataset
    entry = board(dataset={"name": "ring", "radius": 2, "noise": 0.1}).dataset
    assert (entry.name, entry.settings) == ("ring", {"radius": 2, "noise": 0.1})


def test_a_component_needs_a_name():
    assert refusal(dataset={"radius": 2}) == "Field required"


def test_methods_and_metrics_may_be_empty():
    methods = board(methods={"none": None, "ddo": {"note": "as published"}}).methods
    assert methods["none"].method is None
    assert methods["ddo"].note == "as published"
    assert board().metrics["w2"].show == ["mean"]


def test_one_step_of_pretraining_may_stand_without_a_list():
    assert base(model="mlp", pretrain=PRETRAIN) == base(model="mlp", pretrain=[PRETRAIN])
    assert refusal(bases={"net": {"model": "mlp", "pretrain": []}}).startswith("Value should have at least 1 item")


@pytest.mark.parametrize(
    ("short", "full"),
    [
        ("edm-cifar10", {"preset": "edm-cifar10"}),
        ("weights.safetensors", {"file": "weights.safetensors"}),
        ("folder/weights", {"file": "folder/weights"}),
    ],
)
def test_weights_may_be_the_name_of_a_preset_or_a_path(short, full):
    assert base(model="unet", weights=short) == base(model="unet", weights=full)


def test_the_file_of_a_part_may_be_its_path():
    parts = base(model="var", weights={"file": "var.pt", "parts": {"tokenizer": "vae.pt"}}).weights.parts
    assert (parts["tokenizer"].file, parts["tokenizer"].sha256) == ("vae.pt", None)


def test_one_statistic_may_stand_without_a_list():
    assert board(metrics={"fid": {"show": "minimum"}}).metrics["fid"].show == ["minimum"]
    assert "List should have at least 1 item" in refusal(metrics={"fid": {"show": []}})
    assert "show has 'minimum' twice" in refusal(metrics={"fid": {"show": ["minimum", "minimum"]}})


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"model": "mlp"}, "needs either pretrain or weights (or data, in the place of a model)"),
        ({"model": "mlp", "pretrain": PRETRAIN, "weights": "edm"}, "needs either pretrain or weights"),
        ({"pretrain": PRETRAIN}, "'model' is missing: only a preset says which network it is"),
        ({"weights": "weights.pt"}, "'model' is missing: only a preset says which network it is"),
        ({"data": "ring", "model": "mlp"}, "has data, and so no model: its samples are the data's examples"),
        ({"data": "ring", "pretrain": PRETRAIN}, "has data, and so no pretrain"),
        ({"data": "ring", "weights": "edm"}, "has data, and so no weights"),
        ({"data": "ring", "sampler": "euler"}, "has data, and so no sampler"),
        ({"weights": {}}, "needs a preset or a file"),
    ],
)
def test_a_base_has_one_origin(entry, message):
    assert f"Value error, {message}" in refusal(bases={"net": entry})


def test_a_preset_needs_no_model():
    assert base(weights="edm-cifar10").model is None
    assert base(weights={"preset": "edm-cifar10", "file": "other.pt"}).weights.file == "other.pt"


@pytest.mark.parametrize("name", ["net", "net-2", "a.b_c-d", "0", "a" * 60])
def test_names_are_words_that_file_names_can_hold(name):
    assert list(board(methods={name: None}).methods) == [name]


@pytest.mark.parametrize("name", ["Net", "a b", "../up", "a__b", "-a", "a-", "a" * 61, "", "fid[x]"])
def test_other_names_are_refused(name):
    message = refusal(methods={name: None})
    assert re.search("should match pattern|at most 60 characters", message)


@pytest.mark.parametrize("name", ["fid[a][b]", "fid[]", "[a]", "fid[A]", "fid[a]x"])
def test_brackets_of_a_column_hold_one_name(name):
    assert "should match pattern" in refusal(metrics={name: None})


@pytest.mark.parametrize("seeds", [[], [-1], [1_000_000], [0.0], [True], ["0"]])
def test_seeds_are_whole_numbers_below_a_million(seeds):
    assert refusal(seeds=seeds)


@pytest.mark.parametrize("key", ["bases", "methods", "metrics"])
def test_a_board_has_at_least_one_of_each(key):
    assert "at least 1 item" in refusal(**{key: {}})


@pytest.mark.parametrize("key", ["samples", "draws", "batch"])
def test_numbers_of_the_evaluation_are_above_0(key):
    assert "greater than 0" in refusal(evaluation={key: 0})


def test_an_unknown_key_is_refused():
    assert refusal(datset="ring") == "Extra inputs are not permitted"


def test_there_is_an_evaluation_for_each_size():
    sized = BoardEvaluationConfig(sizes=[500, 2000], draws=3, batch=100)
    assert sized.by_size == [EvaluationConfig(samples=size, draws=3, batch=100) for size in (500, 2000)]
    assert BoardEvaluationConfig(samples=300).by_size == [EvaluationConfig(samples=300)]


@pytest.mark.parametrize(
    ("evaluation", "message"),
    [
        ({"samples": 100, "sizes": [100]}, "has samples and sizes: keep one of the two"),
        ({"sizes": [100, 200, 100]}, "sizes has a number twice: [100, 200, 100]"),
    ],
)
def test_sizes_stand_in_the_place_of_samples_and_differ(evaluation, message):
    assert f"Value error, {message}" in refusal(evaluation=evaluation)


@pytest.mark.parametrize("empty", [{"sizes": []}, {"samplers": {}}])
def test_lists_that_are_given_have_an_entry(empty):
    assert "at least 1 item" in refusal(evaluation=empty)
