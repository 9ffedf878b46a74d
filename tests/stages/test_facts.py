"""Facts of stages come back from manifests as they were written, and older manifests can be read."""

import json

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from harness.stages.facts import FinetuneFacts, PairFacts, PreparationFacts, SampleFacts
from harness.store import outputs
from harness.store.outputs import Output
from harness.store.records import CurvePoint
from harness.store.runs_folder import RunsFolder


def output(tmp_path, **facts):
    return Output(tmp_path, facts, {}, is_fresh=False)


def test_facts_survive_their_manifest(tmp_path):
    facts = FinetuneFacts(
        weights_sha256="a" * 64,
        images_seen=640,
        steps=10,
        seconds=0.1 + 0.2,
        network_evaluations=1280,
        curve=[CurvePoint(images=0, value=1 / 3)],
        selected_images=0,
    )
    runs = RunsFolder(tmp_path)
    outputs.once(runs, "finetune", "key", lambda _: facts.model_dump())
    stored = outputs.find(runs, "finetune", "key")
    assert stored is not None
    assert FinetuneFacts.of(stored) == facts
    (manifest,) = tmp_path.glob("stages/finetune/key/manifest.json")
    assert list(json.loads(manifest.read_text())["facts"]) == [
        "sources", "weights_sha256", "base_weights_sha256", "images_seen", "steps", "seconds", "seconds_steps",
        "network_evaluations", "forward_evaluations", "backward_evaluations", "selection_evaluations",
        "curve", "selected_images", "banks",
    ]  # fmt: skip


def test_what_a_newer_version_adds_is_not_read(tmp_path):
    facts = PreparationFacts.of(output(tmp_path, seconds=1.5, network_evaluations=7, colour="red"))
    assert facts == PreparationFacts(seconds=1.5, network_evaluations=7)


def test_values_of_a_pair_keep_their_order_the_metrics_own_first(tmp_path):
    facts = PairFacts.of(output(tmp_path, values={"kid": 0.5, "a": 1.0, "kid sd": 0.1}, seconds=2))
    assert list(facts.values) == ["kid", "a", "kid sd"]


def test_a_manifest_without_what_a_record_needs_is_refused(tmp_path):
    with pytest.raises(ValueError, match="the manifest lacks samples_sha256; delete the folder"):
        SampleFacts.of(output(tmp_path, nfe=2.0, seconds=1.0, draws_sha256=[]))


def test_facts_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        PreparationFacts().seconds = 1.0  # type: ignore[misc]


def test_a_fact_that_is_lost_does_not_read_as_zero(tmp_path):
    facts = FinetuneFacts(weights_sha256="a" * 64, images_seen=640).model_dump()
    del facts["network_evaluations"]
    with pytest.raises(ValueError, match="the manifest lacks network_evaluations"):
        FinetuneFacts.of(output(tmp_path, **facts))


@pytest.mark.parametrize("value", ["1.5", True, torch.tensor(1.1), np.float32(1.1), None])
def test_a_metrics_value_is_a_float_and_nothing_that_could_become_one(value):
    with pytest.raises(ValidationError):
        PairFacts(values={"w2": value}, seconds=1.0)


@pytest.mark.parametrize("value", [1.5, 2, np.float64(1.5), float("nan")])
def test_floats_of_either_kind_and_whole_numbers_are_values(value):
    assert str(PairFacts(values={"w2": value}, seconds=1.0).values["w2"]) == str(float(value))
