"""Bases and the origins of their samples: what keys and records hold of each."""

import hashlib
import json
import pickle
from dataclasses import replace

import pytest

from harness.board.bases import Base, Examples, Loaded, Pretrained
from harness.board.components import Resolved
from harness.board.reading.load import load_board
from harness.components import Dataset, Method, Model, Sampler
from harness.config import NoConfig
from harness.interfaces import DataSpec
from harness.training.config import TrainingConfig
from harness.weights.base_files import BaseFile, BaseWeights


def resolved(component):
    return Resolved(component, NoConfig(), "test", "1/1")


MODEL = resolved(Model("mlp", build="a:b", summary="", provides=frozenset(), sampler="euler"))
SAMPLER = resolved(Sampler("euler", build="a:b", summary=""))
METHOD = resolved(Method("mle", build="a:b", summary=""))
DATASET = resolved(Dataset("ring", build="a:b", summary=""))
OTHER = resolved(Dataset("square", build="a:b", summary=""))
BUDGET = TrainingConfig(images=256)


def base(origin, name="net"):
    return Base(name, name.title(), DATASET, origin)


def pretrained(**changes):
    return Pretrained(**{"model": MODEL, "sampler": SAMPLER, "method": METHOD, "training": BUDGET, "seed": 0, **changes})


def loaded(tmp_path, spec=None):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"weights")
    return Loaded(MODEL, SAMPLER, BaseWeights((BaseFile(path, "", None),), "published", spec))


def digest(**inputs):
    """24 hex digits of the canonical JSON, by the definition."""
    text = json.dumps({**inputs, "core": 1}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def identity(name):
    return {"name": name, "version": "1/1", "settings": {}}


def test_the_key_of_a_pretrained_base_is_the_digest_of_what_makes_its_weights():
    assert base(pretrained(seed=3)).key == digest(
        stage="base", model=identity("mlp"), dataset=identity("ring"), method=identity("mle"), seed=3,
        training={"images": 256, "batch": 128, "ema": None, "select": "last"},
    )  # fmt: skip


def test_the_key_of_a_loaded_base_holds_hashes_and_no_paths(tmp_path):
    weights = [{"part": "", "sha256": hashlib.sha256(b"weights").hexdigest()}]
    made = base(loaded(tmp_path))
    assert made.key == digest(stage="base", model=identity("mlp"), dataset=identity("ring"), weights=weights)
    assert str(tmp_path) not in json.dumps(made.origin.facts)


def test_the_key_of_examples_holds_their_dataset_in_the_place_of_the_model():
    made = base(Examples(OTHER))
    assert made.key == digest(stage="base", model=identity("square"), dataset=identity("ring"), data=identity("square"))


def test_names_and_labels_are_no_part_of_the_key():
    assert base(pretrained(), "one").key == base(pretrained(), "two").key


@pytest.mark.parametrize(
    "change",
    [{"seed": 1}, {"training": TrainingConfig(images=512)}, {"method": resolved(Method("sgd", build="a:b", summary=""))}],
)
def test_everything_that_pretraining_depends_on_changes_the_key(change):
    assert base(pretrained(**change)).key != base(pretrained()).key


def test_the_sampler_is_no_part_of_the_weights_key():
    other = resolved(Sampler("heun", build="a:b", summary=""))
    assert base(pretrained(sampler=other)).key == base(pretrained()).key


def test_steps_are_all_steps_in_their_order():
    first = pretrained()
    second = pretrained(seed=1, after=base(first))
    third = pretrained(seed=2, after=base(second))
    assert third.steps == (first, second, third)
    assert first.steps == (first,)


def test_keys_hold_the_key_of_the_step_before_and_records_its_facts():
    first = base(pretrained())
    second = pretrained(seed=1, after=first)
    assert second.identity == {**second.last_step, "after": first.key}
    assert second.facts == {**second.last_step, "after": first.origin.facts}
    assert second.last_step["seed"] == 1


def test_a_key_of_before_origins_were_split_is_the_same_today(write_board, fake_plugins):
    # Made by the code of protocol 1 of all boards, when a base held everything by Optionals.
    text = """\
        title: Rings
        dataset: ring
        bases:
          net: {model: net, pretrain: [{method: fit, training: {images: 1280}}, {method: fit, training: {images: 2560}, seed: 3}]}
          ring: {data: ring}
        methods: {none: }
        metrics: {distance: }
    """
    keys = {found.name: found.key for found in load_board(write_board(text), plugins=fake_plugins).bases}
    assert keys == {"net": "ffb3b9af5e155c389a07e061", "ring": "01abb7b3fd502addafe4ac96"}


def test_only_examples_have_no_network(tmp_path):
    assert base(pretrained()).network == pretrained()
    assert base(pretrained()).has_network
    assert base(loaded(tmp_path)).has_network
    examples = base(Examples(OTHER), "good")
    assert not examples.has_network
    with pytest.raises(AssertionError, match="base good has no network"):
        _ = examples.network


def test_records_hold_the_dataset_of_examples_as_model_and_sampler():
    origin = Examples(OTHER)
    assert (origin.recorded_model, origin.recorded_sampler) == (OTHER, OTHER)
    assert (pretrained().recorded_model, pretrained().recorded_sampler) == (MODEL, SAMPLER)


def test_components_are_all_that_the_samples_need(tmp_path):
    other = resolved(Method("sgd", build="a:b", summary=""))
    second = pretrained(method=other, after=base(pretrained()))
    assert second.components == (MODEL, SAMPLER, METHOD, other)
    assert loaded(tmp_path).components == (MODEL, SAMPLER)
    assert Examples(OTHER).components == (OTHER,)


def test_only_stand_ins_have_random_weights(tmp_path):
    origin = loaded(tmp_path)
    assert not base(origin).has_random_weights
    assert not base(pretrained()).has_random_weights
    assert base(replace(origin, weights=replace(origin.weights, is_stand_in=True))).has_random_weights


def test_only_loaded_weights_have_files(tmp_path):
    assert [file.path.name for file in loaded(tmp_path).files] == ["weights.safetensors"]
    assert pretrained().files == Examples(OTHER).files == ()


def test_a_preset_without_labels_ignores_those_of_the_dataset(tmp_path):
    labelled = DataSpec((3, 8, 8), 10, preview="images")
    unconditional = loaded(tmp_path, spec=DataSpec((3, 8, 8)))
    assert unconditional.spec_on(labelled) == DataSpec((3, 8, 8), 0, preview="images")
    assert pretrained().spec_on(labelled) == loaded(tmp_path).spec_on(labelled) == labelled


def test_loaded_weights_prepare_from_seed_0(tmp_path):
    assert loaded(tmp_path).seed == 0


def test_bases_of_every_origin_can_be_sent_to_other_processes(tmp_path):
    for origin in (pretrained(after=base(pretrained())), loaded(tmp_path), Examples(OTHER)):
        again = pickle.loads(pickle.dumps(base(origin)))
        assert again == base(origin)
        assert again.key == base(origin).key
