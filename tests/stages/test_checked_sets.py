"""Sets that are read row by row are checked: in memory once as a whole, elsewhere whenever they are read."""

import math

import pytest
import torch

from harness.indexed import IndexedExamples, StoredExamples, whole
from harness.indexed_sets import ChosenRows, IdentifiedSet, InMemory
from harness.interfaces import DataSpec
from harness.stages import checked_sets
from harness.stages.checked_sets import CheckedExamples, checked_set, root_mean_square, spread_rows
from harness.stages.example_faults import DataFault

SPEC = DataSpec((1, 2, 2), classes=3, preview="images")
N = 1000
PIXELS = torch.arange(N * 4).to(torch.uint8).view(N, 1, 2, 2)
LABELS = torch.arange(N) % 3


class OnDisk(IndexedExamples):
    """Stands for examples in files."""

    def __init__(self, values=PIXELS, labels=LABELS):
        self.values, self.labels = values, labels

    def __len__(self):
        return len(self.values)

    def read(self, rows):
        return StoredExamples(self.values[rows], None if self.labels is None else self.labels[rows])


def changed(tensor, row, value):
    copy = tensor.clone()
    copy[row] = value
    return copy


@pytest.mark.parametrize("kind", [OnDisk, lambda *parts: InMemory(StoredExamples(*parts))])
@pytest.mark.parametrize(
    ("values", "labels", "message"),
    [
        (PIXELS, None, "there are no labels, and the dataset declares 3 classes"),
        (PIXELS, LABELS.int(), r"labels are torch.int32 of shape \(\d+,\), not torch.int64"),
        (PIXELS, changed(LABELS, 0, 3), "labels from 0 to 3, and with 3 classes they are 0 to 2"),
        (PIXELS.view(N, 1, 4, 1), LABELS, r"examples have the shape \(1, 4, 1\), and the dataset declares \(1, 2, 2\)"),
        (PIXELS[:0], LABELS[:0], "there are no examples"),
        (PIXELS.float(), LABELS, r"values from 0 to 255, and images are in \[-1, 1\]; divide bytes by 127.5"),
        (changed(PIXELS.float() / 255, 0, math.nan), LABELS, "values that are not finite"),
    ],
)
def test_what_is_wrong_is_said_before_the_set_is_used(kind, values, labels, message):
    with pytest.raises(DataFault, match=f"^here: {message}"):
        checked_set(kind(values, labels), SPEC, where="here")


@pytest.mark.parametrize(
    ("values", "labels", "message"),
    [
        (PIXELS, changed(LABELS, 2, 3), "labels from 3 to 3, and with 3 classes they are 0 to 2"),
        (changed(PIXELS.float() / 255, 2, math.inf), LABELS, "values that are not finite"),
    ],
)
def test_a_fault_in_the_middle_of_files_is_said_when_it_is_read(values, labels, message):
    checked = checked_set(OnDisk(values, labels), SPEC, where="here")
    checked.read(torch.tensor([0, 1]))
    with pytest.raises(DataFault, match=f"^here: {message}"):
        checked.read(torch.tensor([2]))


class Wrong(OnDisk):
    def __init__(self, stored):
        super().__init__()
        self.stored = stored

    def read(self, rows):
        return self.stored


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        (None, "reading gave None; it must give a harness.indexed.StoredExamples"),
        (PIXELS, "reading gave a Tensor; it must give"),
        (StoredExamples(PIXELS[:3], LABELS[:3]), "reading gave 3 examples, and 256 rows were asked for"),
        (StoredExamples(PIXELS.numpy()), "values is a ndarray, not a torch.Tensor"),  # type: ignore[arg-type]
    ],
)
def test_a_set_that_gives_something_else_is_refused(stored, message):
    with pytest.raises(DataFault, match=f"^here: {message}"):
        checked_set(Wrong(stored), SPEC, where="here")
    with pytest.raises(DataFault, match=r"it gave a int; it must give a harness.indexed.IndexedExamples"):
        checked_set(3, SPEC, where="here")  # type: ignore[arg-type]


def test_a_set_in_memory_is_used_as_it_is_and_another_one_is_checked_on():
    in_memory = InMemory(StoredExamples(PIXELS, LABELS))
    assert checked_set(in_memory, SPEC, where="here") is in_memory
    assert checked_set(IdentifiedSet(in_memory, SPEC, "f"), SPEC, where="here") is in_memory
    on_disk = checked_set(IdentifiedSet(OnDisk(), SPEC, "f"), SPEC, where="here")
    assert isinstance(on_disk, CheckedExamples)
    assert torch.equal(whole(on_disk).x, PIXELS.float() / 127.5 - 1)
    chosen = checked_set(ChosenRows(in_memory, torch.tensor([3, 1])), SPEC, where="here")
    assert torch.equal(chosen.read(torch.tensor([0])).values, PIXELS[3:4])


@pytest.mark.parametrize(("n", "most", "expected"), [(3, 5, [0, 1, 2]), (5, 5, [0, 1, 2, 3, 4]), (10, 4, [0, 2, 5, 7])])
def test_rows_are_evenly_spread(n, most, expected):
    assert spread_rows(n, most).tolist() == expected


@pytest.mark.parametrize("at_once", [4, 28, 2**24])
def test_the_root_mean_square_does_not_depend_on_the_chunks(at_once, monkeypatch):
    monkeypatch.setattr(checked_sets, "AT_ONCE", at_once)
    expected = float(((PIXELS.float() / 127.5 - 1).double() ** 2).mean().sqrt())
    assert root_mean_square(OnDisk(), SPEC) == pytest.approx(expected, rel=1e-12)


def test_the_size_of_a_large_set_is_that_of_some_examples(monkeypatch):
    monkeypatch.setattr(checked_sets, "MEASURED", 4 * 10)
    some = PIXELS[spread_rows(N, 10)].float() / 127.5 - 1
    assert root_mean_square(OnDisk(), SPEC) == pytest.approx(float((some.double() ** 2).mean().sqrt()), rel=1e-12)
