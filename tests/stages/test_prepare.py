"""The sampler of a base: nothing is prepared before it is needed, and nothing twice."""

import dataclasses

import pytest
import stage_parts
import torch
from edited_code import edit
from stage_parts import Beside, Prepared, Unprepared, make_base_anew, without_facts

from harness.errors import PluginFault
from harness.interfaces import DataSpec
from harness.process.sources import CORE
from harness.stages import base as base_stage
from harness.stages import prepare
from harness.stages.checked_sets import spread_rows
from harness.stages.facts import PreparationFacts
from harness.stages.prepare import BaseSampler
from harness.streams import SampleStreams, stream
from harness.weights import state_dicts


@pytest.fixture
def base(tiny, with_sampler):
    """The tiny board's base with the sampler that measures the mean of the training data."""
    return with_sampler(tiny.bases[0], Prepared)


def draw(function, network, context, n=4):
    return function(network, DataSpec((2,)), SampleStreams(0, "test", range(n), context.device), None)


def test_a_sampler_without_preparation_is_ready_at_once(tiny, with_sampler, source, context):
    sampler = BaseSampler(with_sampler(tiny.bases[0], Unprepared), source, context)
    assert isinstance(sampler.ready, Unprepared)
    assert sampler.preparation is None
    assert Unprepared.prepared == 0
    assert not list(context.runs.root.glob("stages/*"))  # not even the base was needed


def test_nothing_is_prepared_before_somebody_asks(base, source, context):
    BaseSampler(base, source, context)
    assert Prepared.prepared == 0


def test_a_ready_sampler_uses_what_it_measured_on_the_base(base, source, context):
    function = BaseSampler(base, source, context).ready
    mean = source.train().x.mean(0)
    assert isinstance(function, Prepared)
    torch.testing.assert_close(function.mean, mean, rtol=0, atol=0)
    network = base_stage.load(base, base_stage.run(base, source, context), source, context)
    shifted = draw(function, network, context)
    torch.testing.assert_close(shifted - mean, SampleStreams(0, "test", range(4), context.device).normal(2))


def test_of_a_large_set_a_sampler_gets_evenly_spread_examples(base, source, context, monkeypatch):
    x = source.train().x
    monkeypatch.setattr(prepare, "LARGEST", 10 * 2 * 4)  # ten points of two floats
    function = BaseSampler(base, source, context).ready
    assert isinstance(function, Prepared)
    torch.testing.assert_close(function.mean, x[spread_rows(len(x), 10)].mean(0), rtol=0, atol=0)


class Remembers(Prepared):
    """Measures more than it returns, and draws with that."""

    extra = 0.0

    def prepare(self, model, spec, train, generator):
        self.extra = 1.0
        return super().prepare(model, spec, train, generator)

    def __call__(self, model, spec, streams, labels):
        return super().__call__(model, spec, streams, labels) + self.extra


def test_what_a_sampler_remembers_beside_its_preparation_is_lost_at_once_and_not_after_a_kill(
    base, tiny, source, context, new_context, monkeypatch
):
    monkeypatch.setattr(stage_parts, "Prepared", Remembers)
    network = base_stage.load(base, base_stage.run(base, source, context), source, context)
    fresh = draw(BaseSampler(base, source, context).ready, network, context)
    elsewhere = new_context()
    found = draw(BaseSampler(base, elsewhere.dataset(tiny.dataset), elsewhere).ready, network, context)
    assert torch.equal(fresh, found)


@pytest.mark.parametrize(("given", "message"), [
    (None, "gave None"), ([torch.zeros(1)], "gave a list"), ({"mean": 0.5}, "gave a float as 'mean'"),
    ({1: torch.zeros(1)}, "gave a Tensor as 1"),
])  # fmt: skip
def test_what_prepare_must_not_give_is_named(base, source, context, monkeypatch, given, message):
    monkeypatch.setattr(Prepared, "prepare", lambda *_: given)
    with pytest.raises(PluginFault, match=f"^sampler prepared: prepare {message}; it must give tensors by name"):
        _ = BaseSampler(base, source, context).ready


def test_a_base_is_prepared_once_whoever_asks(base, tiny, source, context, new_context):
    sampler = BaseSampler(base, source, context)
    made = sampler.preparation
    assert isinstance(sampler.ready, Prepared)
    assert sampler.ready.mean is not None
    elsewhere = new_context()
    found = BaseSampler(base, elsewhere.dataset(tiny.dataset), elsewhere)
    assert (found.preparation.folder, found.preparation.is_fresh) == (made.folder, False)
    assert isinstance(found.ready, Prepared)
    torch.testing.assert_close(found.ready.mean, sampler.ready.mean, rtol=0, atol=0)
    assert Prepared.prepared == 1


def test_the_code_that_encoded_the_training_data_is_not_the_preparations_own(base, source, context, encoder):
    preparation = BaseSampler(base, source, context).preparation
    assert preparation is not None
    facts = PreparationFacts.of(preparation)
    assert encoder in facts.sources
    assert encoder not in facts.own_sources


@pytest.mark.parametrize("which", ["the base that is measured", "a base that the sampler calls"])
def test_a_preparation_is_made_again_where_a_base_has_other_weights(
    tiny_text, read_board, with_sampler, source, new_context, which
):
    called = "  called: {model: {name: ddpm-mlp, steps: 3, width: 8}, pretrain: {method: mle, training: {images: 64, batch: 64}}}"
    measured, called = read_board(tiny_text.replace("bases:\n", f"bases:\n{called}\n", 1)).bases[::-1]
    base = with_sampler(measured, Beside, bases=(called,))
    assert BaseSampler(base, source, new_context()).ready
    assert BaseSampler(base, source, new_context()).ready
    assert Beside.prepared == 1
    make_base_anew({"t": measured, "a": called}[which[0]], new_context(), add=1.0)
    assert BaseSampler(base, source, new_context()).ready
    assert Beside.prepared == 2


@pytest.mark.parametrize(("makes_anew", "times"), [(False, 1), (True, 2)])
def test_a_preparation_of_an_older_version_is_used_until_it_is_made_anew(base, source, new_context, makes_anew, times):
    without_facts(BaseSampler(base, source, new_context()).preparation, "base_weights_sha256", "own_sources")
    for _ in range(2):
        assert BaseSampler(base, source, dataclasses.replace(new_context(), makes_anew=makes_anew)).ready
    assert Prepared.prepared == times


def test_a_preparation_is_made_anew_once_where_other_code_made_the_base(base, source, new_context, monkeypatch):
    base_stage.run(base, source, new_context())
    edit(monkeypatch, CORE)
    for _ in range(2):
        assert BaseSampler(base, source, dataclasses.replace(new_context(), makes_anew=True)).ready
    assert Prepared.prepared == 1, "the base stays, and its code is not that of the preparation"


def test_the_random_numbers_of_a_preparation_are_those_of_the_base(base, source, context):
    kept = state_dicts.load(BaseSampler(base, source, context).preparation.folder / "prepared.safetensors")
    assert torch.equal(kept["random"], torch.rand(1, generator=stream(base.network.seed, "prepare")))


def test_the_facts_count_the_networks_that_the_preparation_calls(base, source, context):
    preparation = BaseSampler(base, source, context).preparation
    assert preparation is not None
    facts = PreparationFacts.of(preparation)
    assert facts.network_evaluations == 5  # as many training examples as the sampler sends through
    assert facts.seconds > 0


def test_a_sampler_gets_the_networks_of_the_bases_that_its_settings_name(tiny, with_sampler, source, context):
    (guide,) = tiny.bases
    base = with_sampler(guide, Beside, bases=(guide,))
    sampler = BaseSampler(base, source, context)
    assert isinstance(sampler.ready, Beside)
    (network,) = sampler.ready.networks.values()
    assert not network.training
    expected = state_dicts.load(base_stage.run(guide, source, context).folder / base_stage.WEIGHTS)
    assert state_dicts.sha256(network.state_dict()) == state_dicts.sha256(expected)
    # The preparation calls the base's network and the other one, five examples each.
    assert sampler.preparation is not None
    assert PreparationFacts.of(sampler.preparation).network_evaluations == 10


def test_a_base_is_prepared_for_each_of_its_samplers(tiny, source, context):
    (guide,) = tiny.bases
    of_itself, of_evaluation = (
        BaseSampler(guide, source, context, stage_parts.sampler(cls, **bases))
        for cls, bases in ((Prepared, {}), (Beside, {"bases": (guide,)}))
    )
    assert of_itself.preparation.folder != of_evaluation.preparation.folder
    assert isinstance(of_evaluation.ready, Beside)
    assert list(of_evaluation.ready.networks) == [guide.name]
    assert of_evaluation.weights_called.keys() == {guide.key}
