"""Batches are cut and moved as a whole, and Protocols give their defaults to classes that derive from them."""

import pytest
import torch

from harness.interfaces import (
    Batch,
    DataSource,
    DataSpec,
    FeatureExtractor,
    GuidedSampler,
    PreparedSampler,
    Resources,
    SampleFunction,
)

X = torch.arange(12.0).view(6, 2)


def test_a_batch_is_cut_with_its_labels_and_rows():
    batch = Batch(X, torch.arange(6), torch.arange(10, 16))
    part = batch[torch.tensor([4, 0])]
    assert part.x.tolist() == [[8.0, 9.0], [0.0, 1.0]]
    assert part.labels.tolist() == [4, 0]
    assert part.rows.tolist() == [14, 10]
    assert len(batch[1:3]) == 2
    assert len(batch) == 6


def test_a_batch_without_labels_or_rows_stays_without():
    part = Batch(X)[:2]
    assert part.labels is None
    assert part.rows is None


def test_a_batch_moves_whole():
    moved = Batch(X, torch.arange(6), torch.arange(6)).to("meta")
    assert {moved.x.device.type, moved.labels.device.type, moved.rows.device.type} == {"meta"}


def test_batches_and_specs_do_not_change():
    with pytest.raises(AttributeError):
        Batch(X).x = X  # type: ignore[misc]
    assert DataSpec((2,)) == DataSpec((2,), 0, "points")
    assert hash(DataSpec((2,))) == hash(DataSpec((2,)))


def test_resources_fill_what_others_leave_open_and_zero_is_an_answer():
    asked, default = Resources(gpus=0, hours=12.0), Resources(gpus=1, cpus=4)
    assert asked.over(default) == Resources(gpus=0, cpus=4, hours=12.0)
    assert default.over(asked) == Resources(gpus=1, cpus=4, hours=12.0)
    assert Resources().over(asked) == asked.over(Resources()) == asked


def test_deriving_from_a_protocol_gives_its_defaults():
    class Endless(DataSource):
        spec = DataSpec((2,))
        fingerprint = "f"

        def train(self):
            return Batch(X)

        def evaluation(self, draw, n):
            return Batch(X)

    class Whole(FeatureExtractor):
        preprocessing, weights_sha256, outputs = "", "", {}

        def __call__(self, images):
            return {}

    assert Endless().largest_evaluation is None
    assert Whole().images_on_cpu is None


def test_kinds_of_samplers_are_told_apart_by_their_members():
    class Prepared:
        needs_preparation = True

        def __call__(self, model, spec, streams, labels): ...
        def prepare(self, model, spec, train, generator): ...
        def use(self, prepared): ...

    def plain(model, spec, streams, labels): ...

    assert isinstance(plain, SampleFunction)
    assert not isinstance(plain, PreparedSampler)
    assert isinstance(Prepared(), PreparedSampler)
    assert not isinstance(Prepared(), GuidedSampler)
