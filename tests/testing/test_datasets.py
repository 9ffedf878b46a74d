"""The checks of datasets find each broken promise in data that otherwise keep all of them."""

import dataclasses
import os

import pytest
import torch

from harness.components import Dataset
from harness.config import NoConfig
from harness.errors import UserError
from harness.indexed import IndexedSource, StoredExamples, whole
from harness.indexed_sets import ChosenRows, IdentifiedSet, InMemory
from harness.interfaces import Batch, DataSource, DataSpec
from harness.streams import stream
from harness.testing import datasets

N = 8
POINTS = DataSpec((2,), classes=3)


class Points(DataSource):
    """Labelled points: as many evaluation sets as anyone asks for."""

    spec = POINTS
    fingerprint = "points-1"

    def __init__(self, config=None):
        self.asked = 0

    def batch(self, purpose, n, index=0):
        generator = stream(0, purpose, index)
        return Batch(torch.randn(n, 2, generator=generator), torch.randint(3, (n,), generator=generator))

    def train(self):
        return self.batch("train", 20)

    def evaluation(self, draw, n):
        return self.batch("evaluation", n, draw)


class Few(Points):
    """At most ten examples in an evaluation set."""

    largest_evaluation = 10

    def evaluation(self, draw, n):
        if n > self.largest_evaluation:
            raise ValueError(f"at most {self.largest_evaluation}")
        return super().evaluation(draw, n)


def changed(method, change):
    """The points, whose `train` or `evaluation` gives a changed batch."""
    return type("Changed", (Points,), {method: lambda self, *arguments: change(getattr(Points, method)(self, *arguments))})()


def with_x(change):
    return lambda batch: dataclasses.replace(batch, x=change(batch.x))


def with_labels(change):
    return lambda batch: dataclasses.replace(batch, labels=change(batch.labels))


@pytest.fixture
def component(target):
    return Dataset("points", build=target(Points), summary="points")


def test_data_that_keep_all_promises_pass(monkeypatch, tmp_path):
    (tmp_path / "points_for_a_test.py").write_text(
        "import torch\n"
        "from harness.interfaces import Batch, DataSource, DataSpec\n"
        "from harness.streams import stream\n"
        "class Points(DataSource):\n"
        "    spec, fingerprint, largest_evaluation = DataSpec((2,)), 'points', 16\n"
        "    def __init__(self, config): pass\n"
        "    def train(self): return Batch(torch.randn(20, 2, generator=stream(0, 'train')))\n"
        "    def evaluation(self, draw, n):\n"
        "        if n > 16: raise ValueError('at most 16')\n"
        "        return Batch(torch.randn(n, 2, generator=stream(0, 'evaluation', draw)))\n"
        "def spec(config): return DataSpec((2,))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    module = "points_for_a_test"
    datasets.check_dataset(Dataset("points", build=f"{module}:Points", summary="points", spec=f"{module}:spec"))


@pytest.mark.parametrize("source", [Points(), Few()])
def test_points_pass_the_checks_of_objects(source):
    datasets.check_batches(source, N)
    datasets.check_largest_evaluation(source)
    datasets.check_evaluation_is_apart(source, N)


@pytest.mark.parametrize(("change", "message"), [
    (with_x(lambda x: x[:0]), r"train() is empty"),
    (with_x(lambda x: x[:, :1]), r"train(): examples are (1,), the spec says (2,)"),
    (with_x(torch.Tensor.double), r"train(): x is torch.float64, not float32"),
    (with_x(lambda x: x.log()), r"train(): values that are not finite"),
    (lambda batch: Batch(batch.x), r"train(): labels and spec.classes = 3 disagree"),
    (with_labels(torch.Tensor.int), r"train(): labels are (20,) torch.int32, not (n,) int64"),
    (with_labels(lambda labels: labels[:5]), r"train(): labels are (5,) torch.int64, not (n,) int64"),
    (with_labels(lambda labels: labels + 1), r"train(): labels outside [0, 3)"),
    (with_labels(lambda labels: labels - 1), r"train(): labels outside [0, 3)"),
])  # fmt: skip
def test_a_batch_that_is_not_as_the_spec_says_is_found(failure, change, message):
    assert failure(datasets.check_batches, changed("train", change), N) == message


@pytest.mark.parametrize(("given", "message"), [
    (None, "train() gave a NoneType, not a harness.interfaces.Batch"),
    ((torch.zeros(2, 2), None), "train() gave a tuple, not a harness.interfaces.Batch"),
])  # fmt: skip
def test_what_is_no_batch_is_found(failure, given, message):
    assert failure(datasets.check_batches, changed("train", lambda _: given), N) == message
    arrays = changed("train", lambda batch: Batch(batch.x.numpy(), batch.labels))
    assert failure(datasets.check_batches, arrays, N) == "train(): x is a ndarray, not a tensor"


def test_evaluation_sets_are_looked_at_too(failure):
    source = changed("evaluation", with_x(torch.Tensor.double))
    assert failure(datasets.check_batches, source, N) == "evaluation(0, 8): x is torch.float64, not float32"
    short = changed("evaluation", lambda batch: batch[: N - 1])
    assert failure(datasets.check_batches, short, N) == "evaluation(0, 8) gave 7 examples"


@pytest.mark.parametrize(("low", "high"), [(0.0, 255.0), (-1.5, 1.0)])
def test_images_of_another_range_are_found(failure, low, high):
    images = Batch(torch.linspace(low, high, 8).view(2, 1, 2, 2))
    datasets.check_batch(Batch(images.x.clamp(-1, 1)), DataSpec((1, 2, 2), preview="images"), "train()")
    message = failure(datasets.check_batch, images, DataSpec((1, 2, 2), preview="images"), "train()")
    assert message == f"train(): images run from {low:g} to {high:g}; scale them to [-1, 1]"


class Generous(Few):
    """Gives more than it says."""

    def evaluation(self, draw, n):
        return Points.evaluation(self, draw, n)


class Short(Few):
    """Gives fewer than it says."""

    def evaluation(self, draw, n):
        return super().evaluation(draw, n)[:9]


class Empty(Few):
    largest_evaluation = 0


@pytest.mark.parametrize(("source", "message"), [
    (Generous(), "evaluation(0, 11) gave examples, but largest_evaluation is 10; raise ValueError"),
    (Short(), "evaluation(0, 10), its largest, gave another number"),
    (Empty(), "largest_evaluation is 0; a dataset gives at least one example"),
])  # fmt: skip
def test_a_largest_evaluation_that_is_not_the_largest_is_found(failure, source, message):
    assert failure(datasets.check_largest_evaluation, source) == message


def test_a_declared_spec_that_is_not_the_data_s_is_found(component, target, failure):
    honest = dataclasses.replace(component, spec=target(lambda _: POINTS))
    datasets.check_spec_is_the_one_declared(honest, NoConfig(), Points())
    datasets.check_spec_is_the_one_declared(component, NoConfig(), Points())  # declares none
    wrong = dataclasses.replace(component, spec=target(lambda _: DataSpec((3,), classes=3)))
    message = failure(datasets.check_spec_is_the_one_declared, wrong, NoConfig(), Points())
    assert "gave DataSpec(shape=(3,)" in message
    assert "but the data are DataSpec(shape=(2,)" in message


class Random(Points):
    """Other data in each object."""

    def __init__(self, config=None):
        self.shift = torch.rand(())

    def train(self):
        return with_x(lambda x: x + self.shift)(super().train())


class Ordered(Points):
    """The evaluation set depends on how often one was asked for."""

    def evaluation(self, draw, n):
        self.asked += 1
        return super().evaluation(draw + self.asked, n)


class Renamed(Points):
    """Each object has another fingerprint."""

    number = 0

    def __init__(self, config=None):
        Renamed.number += 1
        self.fingerprint = f"points-{Renamed.number}"


@pytest.mark.parametrize("broken", [Random, Ordered, Renamed])
def test_data_that_do_not_repeat_are_found(component, target, failure, broken):
    datasets.check_data_repeats(component, NoConfig(), N)
    other = dataclasses.replace(component, build=target(broken))
    assert failure(datasets.check_data_repeats, other, NoConfig(), N) == "points: the same settings give other data"


class OneDraw(Points):
    def evaluation(self, draw, n):
        return super().evaluation(0, n)


class Leaking(Points):
    def evaluation(self, draw, n):
        batch = super().evaluation(draw, n)
        batch.x[:2] = self.train().x[draw : draw + 2]
        return batch


@pytest.mark.parametrize(("source", "message"), [
    (OneDraw(), "evaluation draws 0 and 1 are the same"),
    (Leaking(), "4 evaluation examples are training examples"),
])  # fmt: skip
def test_evaluation_sets_that_are_not_apart_are_found(failure, source, message):
    assert failure(datasets.check_evaluation_is_apart, source, N) == message


def test_data_that_another_process_does_not_agree_on_are_found(tmp_path, monkeypatch, failure):
    """Python's own `hash` of a text differs from process to process."""
    (tmp_path / "hashed_for_a_test.py").write_text(
        "import torch\n"
        "from harness.interfaces import Batch, DataSource, DataSpec\n"
        "class Hashed(DataSource):\n"
        "    spec, fingerprint = DataSpec((1,)), 'hashed'\n"
        "    def __init__(self, config): pass\n"
        "    def train(self): return Batch(torch.tensor([[float(hash('train') % 1000)]]))\n"
        "    def evaluation(self, draw, n): return Batch(torch.full((n, 1), draw + 0.5))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setenv("PYTHONHASHSEED", "random")
    component = Dataset("hashed", build="hashed_for_a_test:Hashed", summary="points")
    datasets.check_data_repeats(component, NoConfig(), N)
    message = failure(datasets.check_other_processes_agree, component, NoConfig(), N)
    assert message == "hashed: another process gives other data"
    settings = type("Gone", (NoConfig,), {"__module__": "no_such_module"})()
    message = failure(datasets.check_other_processes_agree, component, settings, N)
    assert message.startswith("hashed fails in a fresh process:")
    assert "No module named 'no_such_module'" in message


def test_absent_files_are_the_users_message_and_not_a_failure(component, target):
    def absent(config):
        raise UserError("dataset points: file x is not there")

    with pytest.raises(UserError, match="file x is not there"):
        datasets.check_dataset(dataclasses.replace(component, check_ready=target(absent)))


class Keeping(Few):
    """Keeps four examples for the curve."""

    largest_selection = 4

    def selection(self, draw, n):
        if n > 4:
            raise ValueError("at most 4")
        return self.batch("selection", n, draw)


def test_examples_kept_for_the_curve_pass():
    datasets.check_selection_is_apart(Keeping(), N)
    datasets.check_selection_is_apart(type("KeepsNone", (Keeping,), {"largest_selection": None})(), N)


IN_ANOTHER = "4 examples kept for the curve are examples of training or evaluation"


@pytest.mark.parametrize(("give", "message"), [
    (lambda points, n: points.batch("train", 20)[:n], IN_ANOTHER),
    (lambda points, n: points.batch("evaluation", 10, 1)[:n], IN_ANOTHER),
    (lambda points, n: points.batch("selection", n - 1), "selection(0, 4), its largest, gave 3 examples"),
    (lambda points, n: points.batch("selection", n),
     "selection(0, 5) gave examples, but largest_selection is 4; raise ValueError"),
])  # fmt: skip
def test_examples_kept_for_the_curve_that_break_a_promise_are_found(failure, give, message):
    source = type("Broken", (Keeping,), {"selection": lambda self, _, n: give(self, n)})()
    assert failure(datasets.check_selection_is_apart, source, N) == message


@pytest.mark.parametrize("stratified", [None, lambda _: "", lambda _: "evenly spaced"])
def test_a_line_on_how_draws_are_stratified_passes(component, stratified):
    datasets.check_stratified_is_a_text(dataclasses.replace(component, stratified=stratified), NoConfig())


@pytest.mark.parametrize("text", [None, "two\nlines", True])
def test_what_is_no_line_on_how_draws_are_stratified_is_found(failure, component, text):
    broken = dataclasses.replace(component, stratified=lambda _: text)
    message = failure(datasets.check_stratified_is_a_text, broken, NoConfig())
    assert message == f"points: stratified gave {text!r}; it must give a line of text, or nothing"


@pytest.mark.parametrize("held_out", [None, lambda _: 20, lambda _: 21])
def test_a_declared_number_of_held_out_examples_of_which_evaluation_takes_half_passes(component, held_out):
    declared = dataclasses.replace(component, held_out=held_out)
    datasets.check_held_out_is_the_one_declared(declared, NoConfig(), Few())


@pytest.mark.parametrize(
    ("number", "message"),
    [
        ("20", "gave '20'; it must give a number >= 0"),
        (-1, "gave -1; it must give a number >= 0"),
        (10, "gave 10, but the largest evaluation set has 10, not half of that"),
        (0, "gave 0, but the largest evaluation set has 10, not half of that"),
    ],
)
def test_a_declared_number_of_held_out_examples_that_does_not_fit_is_found(failure, component, number, message):
    broken = dataclasses.replace(component, held_out=lambda _: number)
    found = failure(datasets.check_held_out_is_the_one_declared, broken, NoConfig(), Few())
    assert found == f"points: held_out {message}"


class Indexed(IndexedSource):
    """Points that are read by rows."""

    spec = POINTS
    largest_evaluation = 5

    def __init__(self, **changed):
        self.changed = changed

    def training_set(self):
        return self.changed.get("training_set") or IdentifiedSet(self.points("train", 20), POINTS, "f")

    def points(self, purpose, n):
        batch = Points().batch(purpose, n)
        return InMemory(StoredExamples(batch.x, batch.labels))

    def evaluation_set(self, draw, n):
        return self.changed.get("evaluation_set") or ChosenRows(
            self.points("evaluation", 10), torch.arange(5 * draw, 5 * draw + n)
        )

    def evaluation(self, draw, n):
        return whole(Indexed().evaluation_set(draw, n))

    def train(self):
        return whole(Indexed().training_set())


def test_sets_that_are_read_by_rows_pass():
    datasets.check_rows_are_the_whole(Indexed(), 5)


class Forgetful(InMemory):
    """Gives the rows in the order of the file."""

    def read(self, rows):
        return super().read(rows.sort().values)


def training(**changed):
    batch = Points().batch("train", 20)
    parts = {"source": InMemory(StoredExamples(batch.x, batch.labels)), "spec": POINTS, "fingerprint": "f", **changed}
    return IdentifiedSet(**parts)


BATCH = Points().batch("train", 20)


@pytest.mark.parametrize(("changed", "message"), [
    ({"training_set": training(spec=DataSpec((3,)))}, "training_set() is of DataSpec(shape=(3,)"),
    ({"training_set": training(source=Forgetful(StoredExamples(BATCH.x, BATCH.labels)))}, "read(rows) gives other examples"),
    ({"training_set": training(source=InMemory(StoredExamples(BATCH.x)))}, "training_set(): read(rows) gives other labels"),
    ({"training_set": training(source=InMemory(StoredExamples(BATCH.x[:5])))}, "training_set() has 5 examples, and the whole 20"),
    ({"evaluation_set": InMemory(StoredExamples(BATCH.x[:5]))}, "evaluation_set(1, 5): read(rows) gives other examples"),
])  # fmt: skip
def test_sets_that_are_not_the_whole_are_found(failure, changed, message):
    assert message in failure(datasets.check_rows_are_the_whole, Indexed(**changed), 5)


def test_another_fingerprint_of_the_training_set_is_found(failure):
    source = type("Other", (Indexed,), {"fingerprint": "g"})()
    assert "training_set() has another fingerprint" in failure(datasets.check_rows_are_the_whole, source, 5)
