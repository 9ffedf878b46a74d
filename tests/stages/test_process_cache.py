"""What jobs of one process share is built once, told apart by settings and versions, and bounded."""

import dataclasses

import pytest
import torch
from pixel_features import COMPONENT, PixelFeatures
from stage_parts import NOISE, Noise, resolved

from harness.components import Extractor
from harness.errors import UserError
from harness.indexed_sets import InMemory
from harness.interfaces import Batch
from harness.stages.encoded_examples import EncodedExamples
from harness.stages.process_cache import DATASETS, ENCODED_SETS, ProcessCache

CPU = torch.device("cpu")
PIXELS = resolved(COMPONENT)


@pytest.fixture
def cache():
    return ProcessCache()


def test_a_dataset_is_built_and_its_training_data_read_once_for_all_jobs(cache):
    first = cache.dataset(NOISE)
    assert cache.dataset(dataclasses.replace(NOISE)) is first
    assert (Noise.built, Noise.trained) == (1, 0)  # nothing is read before it is needed
    assert first.training_set is cache.dataset(NOISE).training_set
    assert Noise.trained == 1


def test_another_version_of_a_dataset_is_another_dataset(cache):
    assert cache.dataset(dataclasses.replace(NOISE, version="2/1")) is not cache.dataset(NOISE)
    assert Noise.built == 2


def test_the_dataset_of_a_board_outlives_those_that_it_is_compared_with(cache):
    board = cache.dataset(NOISE)
    for number in range(2 * DATASETS):
        cache.dataset(dataclasses.replace(NOISE, version=f"{number}/2"))
        assert cache.dataset(NOISE) is board
    assert Noise.built == 1 + 2 * DATASETS
    cache.dataset(dataclasses.replace(NOISE, version="0/2"))  # was let go long ago
    assert Noise.built == 2 + 2 * DATASETS


def test_encoded_data_are_bounded(cache):
    made = []

    def encoded(key):
        return cache.encoded(key, lambda: made.append(key) or EncodedExamples(InMemory.of(Batch(torch.zeros(1)))))

    for key in "abcdaebca":
        assert isinstance(encoded(key).examples, InMemory)
    assert ENCODED_SETS == 4
    assert made == [*"abcdeb", "c"]  # `b` was let go for `e`, `c` for `b`


def test_an_extractor_is_frozen_in_eval_mode_and_leaves_the_random_numbers_alone(cache, monkeypatch):
    class Drawing(PixelFeatures):
        def __init__(self, config):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.rand(1))

    monkeypatch.setattr(Extractor, "create", lambda _, config: Drawing(config))
    before = torch.random.get_rng_state()
    extractor = cache.extractor(PIXELS, CPU)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not extractor.training
    assert not extractor.scale.requires_grad
    assert cache.extractor(PIXELS, CPU) is extractor
    assert cache.extractor(dataclasses.replace(PIXELS, version="2/1"), CPU) is not extractor


def test_an_extractor_without_its_weights_is_refused_before_it_is_built(cache, monkeypatch):
    def absent(self, settings):
        raise UserError("extractor pixels: weights.pt is not here")

    monkeypatch.setattr(Extractor, "check_readiness", absent)
    monkeypatch.setattr(Extractor, "create", lambda *_: pytest.fail("built without weights"))
    with pytest.raises(UserError, match=r"weights\.pt is not here"):
        cache.extractor(PIXELS, CPU)
