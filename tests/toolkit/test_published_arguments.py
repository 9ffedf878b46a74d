"""What a published file says of its network is checked before anything is built from it."""

import pytest

from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.toolkit.published_arguments import refuse_unknown, square_images, whole_number

WHERE = "net.pkl: the network"


def test_whole_numbers_are_taken_and_may_have_a_default():
    assert whole_number({"img_channels": 3}, "img_channels", where=WHERE) == 3
    assert whole_number({}, "label_dim", where=WHERE, default=0) == 0
    assert whole_number({"label_dim": 10}, "label_dim", where=WHERE, default=0) == 10


@pytest.mark.parametrize(("value", "shown"), [("3", "'3'"), (3.0, "3.0"), ([3], "[3]"), (None, "None")])
def test_anything_else_is_refused_and_shown(value, shown):
    with pytest.raises(UserError) as caught:
        whole_number({"img_channels": value}, "img_channels", where=WHERE)
    assert str(caught.value) == f"{WHERE}: img_channels is {shown}, not a whole number"


def test_an_argument_that_is_not_there_is_refused_unless_it_has_a_default():
    with pytest.raises(UserError, match="img_channels is None, not a whole number"):
        whole_number({}, "img_channels", where=WHERE)


def test_arguments_that_are_not_known_are_all_named():
    refuse_unknown({"a": 1, "b": 2}, ["a", "b", "c"], where=WHERE)
    with pytest.raises(UserError) as caught:
        refuse_unknown({"z": 1, "a": 2, "y": 3}, {"a"}, where=WHERE)
    assert str(caught.value) == f"{WHERE}: arguments that are not known here: y, z"


def test_square_images_are_shown_as_images():
    assert square_images(3, 32, 10) == DataSpec((3, 32, 32), classes=10, preview="images")
    assert square_images(1, 28).classes == 0
