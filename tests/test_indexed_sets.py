"""Sets in memory, in a file, and chosen rows of another set give the same examples."""

import torch

from harness.indexed import IndexedExamples, StoredExamples, TrainingSet, whole
from harness.indexed_sets import ChosenRows, IdentifiedSet, InFile, InMemory
from harness.interfaces import Batch, DataSpec
from harness.row_files import RowFile

PIXELS = torch.arange(6 * 4, dtype=torch.uint8).view(6, 1, 2, 2)
LABELS = torch.arange(6) % 3
ROWS = torch.tensor([4, 1, 1])


def test_a_file_gives_what_the_tensor_gives(tmp_path):
    (tmp_path / "pixels").write_bytes(PIXELS.numpy().tobytes())
    in_file = InFile(RowFile(tmp_path / "pixels", 0, (6, 1, 2, 2), torch.uint8), LABELS, white=16)
    in_memory = InMemory(StoredExamples(PIXELS, LABELS), white=16)
    assert len(in_file) == len(in_memory) == 6
    for examples in (in_file, in_memory):
        stored = examples.read(ROWS)
        assert torch.equal(stored.values, PIXELS[ROWS])
        assert stored.labels is not None
        assert stored.labels.tolist() == LABELS[ROWS].tolist()
        assert torch.equal(whole(examples).x, PIXELS.float() / 8 - 1)


def test_chosen_rows_are_numbered_anew():
    chosen = ChosenRows(InMemory(StoredExamples(PIXELS, LABELS), white=16), torch.tensor([5, 0]))
    assert len(chosen) == 2
    assert torch.equal(chosen.read(torch.tensor([1, 0, 1])).values, PIXELS[[0, 5, 0]])
    assert torch.equal(whole(chosen).x, PIXELS[[5, 0]].float() / 8 - 1)


def test_an_identified_set_is_a_training_set():
    spec = DataSpec((1, 2, 2), classes=3, preview="images")
    identified = IdentifiedSet(InMemory(StoredExamples(PIXELS, LABELS)), spec, "f")
    assert isinstance(identified, TrainingSet)
    assert not isinstance(InMemory(StoredExamples(PIXELS)), TrainingSet)
    assert isinstance(InMemory(StoredExamples(PIXELS)), IndexedExamples)
    assert (len(identified), identified.spec, identified.fingerprint) == (6, spec, "f")
    assert torch.equal(identified.read(ROWS).values, PIXELS[ROWS])


def test_a_batch_is_a_set_of_floats():
    x = torch.randn(4, 2)
    batch = whole(InMemory.of(Batch(x)))
    assert torch.equal(batch.x, x)
    assert batch.labels is None
