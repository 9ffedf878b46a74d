"""Random streams depend on (seed, purpose, index) and on nothing else."""

import pytest
import torch

from harness.streams import SampleStreams, stream


def first(seed, purpose, index=0):
    return torch.randn(4, generator=stream(seed, purpose, index))


def test_the_same_name_gives_the_same_stream():
    assert torch.equal(first(1, "sample", 2), first(1, "sample", 2))


@pytest.mark.parametrize("other", [(2, "sample", 2), (1, "train", 2), (1, "sample", 3), (12, "sample", 0)])
def test_another_seed_purpose_or_index_gives_another_stream(other):
    assert not torch.equal(first(1, "sample", 2), first(*other))


def test_a_stream_is_pinned_so_that_records_can_be_repeated():
    assert stream(0, "sample", 0).initial_seed() == 2775484790780771856


def test_global_randomness_is_neither_read_nor_moved():
    torch.manual_seed(1)
    state, expected = torch.get_rng_state(), first(1, "sample")
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    assert torch.equal(first(1, "sample"), expected)


@pytest.mark.parametrize("batch", [1, 7, 64])
@pytest.mark.parametrize(
    "draw",
    [lambda s: s.normal(3, 2), lambda s: s.normal(33), lambda s: s.uniform(5), lambda s: s.integers(10, 5)],
    ids=["normal", "long normal", "uniform", "integers"],
)
def test_what_a_sample_draws_does_not_depend_on_the_batch(draw, batch):
    whole = draw(SampleStreams(3, "sample", range(64)))
    parts = [draw(SampleStreams(3, "sample", range(i, min(i + batch, 64)))) for i in range(0, 64, batch)]
    assert torch.equal(torch.cat(parts), whole)


def test_a_sample_goes_on_in_its_own_stream():
    streams = SampleStreams(3, "sample", [5])
    one, two = streams.normal(20), streams.normal(20)
    assert not torch.equal(one, two)
    assert torch.equal(SampleStreams(3, "sample", [4, 5]).normal(20)[1:], one)


def test_draws_have_the_shapes_types_and_ranges_that_they_promise():
    streams = SampleStreams(0, "sample", range(200))
    normal, uniform, integers = streams.normal(2, 3), streams.uniform(4), streams.integers(6, 5)
    assert len(streams) == 200
    assert (normal.shape, normal.dtype) == ((200, 2, 3), torch.float32)
    assert (uniform.shape, uniform.dtype) == ((200, 4), torch.float32)
    assert (integers.shape, integers.dtype) == ((200, 5), torch.int64)
    assert 0 <= uniform.min() < 0.05 < 0.95 < uniform.max() < 1
    assert set(integers.flatten().tolist()) == set(range(6))
