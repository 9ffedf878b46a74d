"""Sets of examples are read by rows, converted alike wherever it happens, and stand in for whole tensors."""

import pytest
import torch

from harness.indexed import IndexedExamples, IndexedSource, StoredExamples, TrainingSet, bytes_to_floats, in_chunks, whole
from harness.indexed_sets import ChosenRows, IdentifiedSet, InMemory
from harness.interfaces import DataSource, DataSpec, SelectionSource

PIXELS = torch.arange(6 * 4, dtype=torch.uint8).view(6, 1, 2, 2)
LABELS = torch.arange(6)
SPEC = DataSpec((1, 2, 2), classes=6, preview="images")


class Pictures(IndexedSource):
    spec = SPEC
    largest_evaluation = 3

    def training_set(self):
        return IdentifiedSet(InMemory(StoredExamples(PIXELS, LABELS)), SPEC, "f")

    def evaluation_set(self, draw, n):
        return ChosenRows(InMemory(StoredExamples(PIXELS, LABELS)), torch.tensor([5, 3, 1])[:n])


@pytest.mark.parametrize("white", [255, 16, 7])
def test_every_byte_becomes_the_float_that_division_on_the_cpu_gives(white):
    values = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(bytes_to_floats(values, white), values.float() / (white / 2) - 1)


def test_black_and_white_are_the_ends_of_the_range():
    assert bytes_to_floats(torch.tensor([0, 255], dtype=torch.uint8)).tolist() == [-1.0, 1.0]


def test_a_source_of_indexed_sets_is_a_dataset_with_whole_tensors_too():
    source = Pictures()
    assert isinstance(source, DataSource)
    assert isinstance(source, SelectionSource)
    assert isinstance(source, IndexedSource)
    assert isinstance(source.training_set(), TrainingSet)
    assert torch.equal(source.train().x, PIXELS.float() / 127.5 - 1)
    assert torch.equal(source.evaluation(0, 2).x, source.train().x[[5, 3]])
    assert source.evaluation(0, 2).labels.tolist() == [5, 3]
    assert (source.fingerprint, source.largest_selection) == ("f", None)
    with pytest.raises(ValueError, match="4 examples asked for the curve; none are kept"):
        source.selection(0, 4)


def test_a_dataset_of_tensors_is_no_indexed_source():
    class Plain(DataSource):
        spec, fingerprint = SPEC, "f"

        def train(self):
            return whole(InMemory(StoredExamples(PIXELS, LABELS)))

        def evaluation(self, draw, n):
            return self.train()[:n]

    assert not isinstance(Plain(), IndexedSource)


def test_chunks_are_the_whole_set_in_order():
    examples = InMemory(StoredExamples(PIXELS, LABELS))
    chunks = list(in_chunks(examples, 4))
    assert [len(chunk) for chunk in chunks] == [4, 2]
    assert torch.equal(torch.cat([chunk.x for chunk in chunks]), whole(examples).x)
    assert [chunk.labels.tolist() for chunk in chunks if chunk.labels is not None] == [[0, 1, 2, 3], [4, 5]]


def test_floats_are_examples_as_they_are():
    class Doubles(IndexedExamples):
        def __len__(self):
            return 2

        def read(self, rows):
            return StoredExamples(torch.tensor([[0.5], [-3.0]], dtype=torch.float64)[rows])

    batch = whole(Doubles())
    assert (batch.x.dtype, batch.x.tolist(), batch.labels) == (torch.float32, [[0.5], [-3.0]], None)


def test_stored_examples_move_with_their_labels():
    moved = StoredExamples(PIXELS, LABELS).to("meta")
    assert {moved.values.device.type, moved.labels.device.type} == {"meta"}
    assert len(moved) == 6
    assert StoredExamples(PIXELS).to("meta").labels is None
