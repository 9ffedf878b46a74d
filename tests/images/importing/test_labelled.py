"""Labels of images become numbers, with the classes of the training images for all parts."""

import pytest

from harness import UserError
from harness.images.importing.labelled import labelled, numbered
from harness.images.importing.labels import LabelTable
from harness.images.importing.layouts import layout

FLAT_VALIDATION = ["train/b/1.png", "train/c/1.png", "train/a/1.png", "val/1.png", "val/2.png"]


def found(names, table=None):
    arranged, (classes, labels), remarks = labelled(layout(sorted(names), "set", has_labels=False), table, "set")
    return arranged, classes, None if labels is None else labels.tolist(), remarks


def test_folders_give_labels_in_the_order_of_their_names():
    _, classes, labels, _ = found(["dog/1.png", "cat/1.png"])
    assert (classes, labels) == (("cat", "dog"), [0, 1])


def test_a_flat_set_has_no_labels_unless_a_table_gives_them():
    assert found(["1.png", "2.png"])[1:3] == ((), None)
    assert found(["1.png", "2.png"], LabelTable("t", in_order=[2, 0]))[1:3] == (("0", "1", "2"), [2, 0])


@pytest.mark.parametrize("table", [["c", "b"], [2, 1]], ids=["names", "numbers"])
def test_flat_validation_images_get_the_numbers_of_the_training_classes(table):
    _, classes, labels, _ = found(FLAT_VALIDATION, LabelTable("t", in_order=table))
    assert (classes, labels) == (("a", "b", "c"), [0, 1, 2, 2, 1])


def test_flat_validation_images_without_a_table_are_named_with_advice():
    with pytest.raises(UserError, match=r"set: the validation images do not lie in folders of classes; .*--labels FILE"):
        found(FLAT_VALIDATION)


def test_test_images_without_labels_are_left_out_with_a_remark():
    arranged, _, labels, remarks = found(["train/a/1.png", "train/b/1.png", "test/9.png"])
    assert (list(arranged.parts), labels) == (["train"], [0, 1])
    assert remarks == ("set: its test images have no labels, and are left out",)


@pytest.mark.parametrize(
    ("values", "classes", "message"),
    [
        (["a", "z"], ["a", "b"], "'z' is none of the 2 classes: a, b"),
        ([0, 5], ["a", "b"], "5 is none of the 2 classes"),
        ([0, -1], [], "-1 is none of the 1 classes"),
        ([10**8], [], "the label 100000000; the largest that is read is 999,999"),
    ],
)
def test_labels_of_no_class_are_refused(values, classes, message):
    with pytest.raises(UserError, match=message):
        numbered(values, classes, "t")
