"""Data that are not what they declare are refused where they are read."""

import dataclasses

import pytest
import torch

from harness import NoConfig
from harness.board.components import Resolved
from harness.components import Dataset
from harness.indexed import IndexedSource, StoredExamples, whole
from harness.indexed_sets import ChosenRows, IdentifiedSet, InMemory
from harness.interfaces import Batch, DataSource, DataSpec
from harness.stages.checked import CheckedSource
from harness.stages.example_faults import DataFault, check_batch

IMAGES = DataSpec((1, 4, 4), classes=3, preview="images")
X, LABELS = torch.linspace(-1, 1, 32).view(2, 1, 4, 4), torch.tensor([0, 2])
PICTURES = Resolved(Dataset("pictures", build="x:y", summary=""), NoConfig(), "test", "1/1")


class Source(DataSource):
    """A dataset of one batch."""

    fingerprint = "x"
    largest_evaluation = None

    def __init__(self, batch, spec=IMAGES):
        self.batch, self.spec, self.reads = batch, spec, 0

    def train(self):
        self.reads += 1
        return self.batch

    def evaluation(self, draw, n):
        return self.batch


def untyped(value):
    """The value, of which nothing is known."""
    return value


def checked(batch, spec=IMAGES):
    return CheckedSource(PICTURES, Source(batch, spec))


def test_data_as_declared_come_through_as_they_are():
    batch = Batch(X, LABELS)
    assert checked(batch).train() is batch
    assert checked(batch).evaluation(1, 2) is batch
    free = Batch(torch.full((3, 2), 40.0))
    assert check_batch(free, DataSpec((2,)), where="here") is free  # points may be anywhere
    latents = Batch(torch.full((3, 4, 8, 8), 40.0))
    assert check_batch(latents, DataSpec((4, 8, 8), preview="images"), where="here") is latents
    assert check_batch(Batch(X * 1.0001, LABELS), IMAGES, where="here")  # rounding


def test_a_dataset_says_what_the_board_calls_it_and_what_its_plugin_declares():
    source = checked(Batch(X, LABELS))
    assert (source.name, source.identity, source.fingerprint, source.spec) == ("pictures", PICTURES.identity, "x", IMAGES)
    assert isinstance(source, DataSource)


def test_training_data_are_read_once_and_kept_on_the_device():
    plugin = Source(Batch(X, LABELS))
    source = CheckedSource(PICTURES, plugin)
    assert source.training_set is source.training_set
    assert torch.equal(whole(source.training_set).x, X)
    assert source.placed_training_set("auto", torch.device("cpu")) is source.training_set
    meta = source.placed_training_set("device", torch.device("meta"))  # another device has a copy of its own
    assert source.placed_training_set("device", torch.device("meta")) is meta
    assert meta.read(torch.tensor([1])).values.device.type == "meta"
    assert plugin.reads == 1
    assert source.root_mean_square == pytest.approx(float((X.double() ** 2).mean().sqrt()), rel=1e-12)


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (Batch((X + 1) * 127.5, LABELS), r"values from 0 to 255, and images are in \[-1, 1\]; divide bytes by 127.5"),
        (Batch(X * 1.01, LABELS), r"values from -1.01 to 1.01, and images are in \[-1, 1\]$"),
        (Batch(X.where(X < 0.9, torch.nan), LABELS), "not finite"),
        (Batch(X.where(X < 0.9, torch.inf), LABELS), "not finite"),
        (Batch(X.double(), LABELS), r"x is torch.float64, not torch.float32"),
        (Batch(((X + 1) * 127).to(torch.uint8), LABELS), r"x is torch.uint8, not torch.float32"),
        (Batch(X.view(2, 1, 2, 8), LABELS), r"the shape \(1, 2, 8\), and the dataset declares \(1, 4, 4\)"),
        (Batch(X[:0], LABELS[:0]), "no examples"),
        (Batch(X), "there are no labels, and the dataset declares 3 classes"),
        (Batch(X, torch.tensor([0, 3])), "labels from 0 to 3, and with 3 classes they are 0 to 2"),
        (Batch(X, torch.tensor([-1, 2])), "labels from -1 to 2"),
        (Batch(X, LABELS.int()), r"labels are torch.int32 of shape \(2,\), not torch.int64"),
        (Batch(X, LABELS[:1]), r"of shape \(1,\), not torch.int64 of shape \(2,\)"),
        (None, "it gave None; it must give a harness.interfaces.Batch"),
        ((X, LABELS), "it gave a tuple; it must give a harness.interfaces.Batch"),
        (X, "it gave a Tensor; it must give a harness.interfaces.Batch"),
        (Batch(untyped(X.numpy()), LABELS), "x is a ndarray, not a torch.Tensor"),
        (Batch(X, untyped(LABELS.numpy())), "labels is a ndarray, not a torch.Tensor"),
        (Batch(torch.tensor(1.0), LABELS), "no examples"),
    ],
)
def test_what_is_wrong_is_said_with_the_dataset(batch, message):
    with pytest.raises(DataFault, match=f"^dataset pictures, training data: .*{message}"):
        checked(batch).train()
    with pytest.raises(DataFault, match=f"^dataset pictures, evaluation draw 3: .*{message}"):
        checked(batch).evaluation(3, 2)


@pytest.mark.parametrize(("spec", "message"), [
    (None, "spec is a NoneType; it must be a harness.interfaces.DataSpec"),
    ((1, 4, 4), "spec is a tuple; it must be"),
    (DataSpec(untyped([1, 4, 4])), r"spec.shape is \[1, 4, 4\]; it must be"),
    (DataSpec(untyped((4.0,))), r"spec.shape is \(4.0,\); it must be"),
])  # fmt: skip
def test_a_spec_that_is_none_is_refused_before_any_data_are_read(spec, message):
    with pytest.raises(DataFault, match=f"^dataset pictures: {message}"):
        checked(Batch(X, LABELS), spec)


def test_a_spec_unlike_the_one_that_boards_are_checked_with_is_refused(monkeypatch):
    declares = dataclasses.replace(PICTURES.component, spec="plugin:spec")
    monkeypatch.setattr(Dataset, "known_spec", lambda *_: DataSpec((3, 4, 4), classes=3, preview="images"))
    with pytest.raises(DataFault, match=r"its data are .*shape=\(1, 4, 4\).* and plugin:spec declares .*shape=\(3"):
        CheckedSource(dataclasses.replace(PICTURES, component=declares), Source(Batch(X, LABELS)))
    monkeypatch.setattr(Dataset, "known_spec", lambda *_: IMAGES)
    CheckedSource(dataclasses.replace(PICTURES, component=declares), Source(Batch(X, LABELS)))


def test_labels_without_classes_are_refused():
    with pytest.raises(DataFault, match="there are labels, and the dataset declares no classes"):
        check_batch(Batch(X, LABELS), DataSpec((1, 4, 4), preview="images"), where="here")


def test_more_examples_than_there_are_held_out_end_the_run_with_what_to_lower():
    source = checked(Batch(X, LABELS))
    assert source.largest_evaluation is None
    source._source.largest_evaluation = 2
    assert source.largest_evaluation == 2
    assert len(source.evaluation(0, 2)) == 2
    with pytest.raises(DataFault, match=r"dataset pictures gives 2 held-out examples .* 3 are asked for: lower evaluation"):
        source.evaluation(0, 3)


class Refusing(Source):
    """Gives at most two examples, and says so as the Protocol of datasets allows: by a ValueError."""

    def evaluation(self, draw, n):
        if n > 2:
            raise ValueError(f"there are no {n}")
        return self.batch[:n]


def test_a_dataset_that_cannot_give_so_many_is_refused_in_one_line():
    source = CheckedSource(PICTURES, Refusing(Batch(X, LABELS)))
    assert len(source.evaluation(0, 2)) == 2
    with pytest.raises(DataFault) as caught:
        source.evaluation(7, 3)
    assert str(caught.value) == (
        "dataset pictures, evaluation draw 7 of 3 examples: there are no 3; lower evaluation.samples, sizes or curve.samples of "
        "the board, or --images of `harness measure`"
    )


def test_a_dataset_that_gives_fewer_examples_than_were_asked_for_is_refused():
    with pytest.raises(DataFault, match="evaluation draw 0: 2 examples, and 3 were asked for; lower"):
        checked(Batch(X, LABELS)).evaluation(0, 3)


def test_a_number_of_examples_is_checked_by_what_the_dataset_states_or_by_a_draw(monkeypatch):
    plugin = Refusing(Batch(X, LABELS))
    source = CheckedSource(PICTURES, plugin)
    source.check_evaluation(0, 2)
    with pytest.raises(DataFault, match="there are no 3"):
        source.check_evaluation(0, 3)
    monkeypatch.setattr(plugin, "largest_evaluation", 5)
    source.check_evaluation(0, 5)  # what it states is enough: nothing is drawn
    with pytest.raises(DataFault, match="gives 5 held-out examples a draw at most, and 6 are asked for"):
        source.check_evaluation(0, 6)


class Keeping(Source):
    """Keeps two examples for the curve."""

    largest_selection = 2

    def selection(self, draw, n):
        return self.batch[self.largest_selection - n :] if draw else self.batch[:n]


def test_the_curve_gets_the_examples_that_are_kept_for_it(monkeypatch):
    plugin = Keeping(Batch(X, LABELS))
    source = CheckedSource(PICTURES, plugin)
    assert torch.equal(source.selection(0, 1).x, X[:1])
    assert torch.equal(source.selection(5, 1).x, X[1:])
    source.check_selection(0, 2)
    for ask in (source.selection, source.check_selection):
        with pytest.raises(DataFault, match=r"dataset pictures keeps 2 examples for the curve, and 3 are asked for: lower curve"):
            ask(0, 3)
    monkeypatch.setattr(plugin, "selection", lambda *_: plugin.batch[:1])
    with pytest.raises(DataFault, match="selection draw 0: 1 examples, and 2 were asked for"):
        source.selection(0, 2)


def test_without_kept_examples_the_curve_gets_an_evaluation_set():
    source = CheckedSource(PICTURES, Refusing(Batch(X, LABELS)))
    assert source.largest_selection is None
    assert torch.equal(source.selection(7, 2).x, source.evaluation(7, 2).x)
    with pytest.raises(DataFault, match="there are no 3"):
        source.check_selection(7, 3)


class AbleToKeep(Source):
    """The same, which could keep examples for the curve."""

    largest_selection = None

    def selection(self, draw, n):
        return self.batch


@pytest.mark.parametrize(("kind", "largest", "is_fixed"), [(Source, None, False), (Source, 2, True), (AbleToKeep, None, True)])
def test_a_dataset_that_draws_without_end_has_no_fixed_examples(kind, largest, is_fixed):
    source = kind(Batch(X, LABELS))
    source.largest_evaluation = largest
    assert CheckedSource(PICTURES, source).has_fixed_examples is is_fixed


class Indexed(IndexedSource):
    """The same batch, as bytes of which any rows are read."""

    largest_evaluation = 2
    largest_selection = 1

    def __init__(self, spec=IMAGES, set_spec=IMAGES):
        self.spec, self.set_spec = spec, set_spec

    def pixels(self):
        return InMemory(StoredExamples(torch.arange(32, dtype=torch.uint8).view(2, 1, 4, 4), LABELS))

    def training_set(self):
        return IdentifiedSet(self.pixels(), self.set_spec, "f")

    def evaluation_set(self, draw, n):
        if draw == 7:
            raise ValueError("there is no draw 7")
        return ChosenRows(self.pixels(), torch.tensor([1, 0])[: n if draw else 1])

    def selection_set(self, draw, n):
        return ChosenRows(self.pixels(), torch.tensor([1]))


def test_a_dataset_that_is_read_by_rows_gives_the_same_sets_by_rows_and_as_a_whole():
    source = CheckedSource(PICTURES, Indexed())
    assert torch.equal(whole(source.training_set).x, source.train().x)
    assert torch.equal(whole(source.evaluation_set(1, 2)).x, source.evaluation(1, 2).x)
    assert torch.equal(source.evaluation(1, 2).x, source.train().x.flip(0))
    assert torch.equal(whole(source.selection_set(0, 1)).x, source.selection(0, 1).x)
    assert source.fingerprint == "f"
    assert source.has_fixed_examples


def test_faults_of_a_dataset_that_is_read_by_rows_name_it():
    source = CheckedSource(PICTURES, Indexed(set_spec=DataSpec((2,))))
    with pytest.raises(DataFault, match=r"dataset pictures, training data: its spec is .*; the two must agree"):
        _ = source.training_set
    source = CheckedSource(PICTURES, Indexed())
    with pytest.raises(DataFault, match="evaluation draw 7 of 2 examples: there is no draw 7; lower"):
        source.evaluation_set(7, 2)
    with pytest.raises(DataFault, match="evaluation draw 0: 1 examples, and 2 were asked for; lower"):
        source.evaluation_set(0, 2)
    with pytest.raises(DataFault, match="gives 2 held-out examples a draw at most, and 3 are asked for"):
        source.evaluation_set(1, 3)
    with pytest.raises(DataFault, match="keeps 1 examples for the curve, and 2 are asked for"):
        source.selection_set(0, 2)


def test_a_dataset_of_tensors_is_read_by_rows_too():
    plain = CheckedSource(PICTURES, Keeping(Batch(X, LABELS)))
    assert torch.equal(whole(plain.evaluation_set(0, 2)).x, X)
    assert torch.equal(whole(plain.selection_set(0, 1)).x, X[:1])
    endless = CheckedSource(PICTURES, Source(Batch(X, LABELS)))
    assert torch.equal(whole(endless.selection_set(0, 2)).x, X)
