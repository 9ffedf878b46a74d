"""Arguments that published files name: whole numbers, unknown names, and the images they speak of."""

import pytest

from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.toolkit.chains import ChainConfig
from harness.toolkit.published_arguments import checked_settings, refuse_unknown, square_images, whole_number


def test_a_whole_number_is_read_or_its_default_taken():
    assert whole_number({"label_dim": 10}, "label_dim", where="EDM network") == 10
    assert whole_number({}, "label_dim", where="EDM network", default=0) == 0


@pytest.mark.parametrize(
    ("arguments", "value"), [({}, "None"), ({"size": "32"}, "'32'"), ({"size": 32.5}, "32.5"), ({"size": True}, "True")]
)
def test_anything_else_is_a_message_that_names_the_argument_and_its_value(arguments, value):
    with pytest.raises(UserError, match=rf"^EDM network: size is {value}, not a whole number$"):
        whole_number(arguments, "size", where="EDM network")


@pytest.mark.parametrize("value", [-1, 0, 2**21])
def test_sizes_that_no_network_has_are_refused(value):
    with pytest.raises(UserError, match=rf"^EDM network: size is {value}; it must be from 1 to 1048576$"):
        whole_number({"size": value}, "size", where="EDM network", least=1)


def test_settings_from_a_file_are_checked_and_the_first_fault_is_named():
    assert checked_settings(ChainConfig, {"steps": 3}, where="a file").steps == 3
    with pytest.raises(UserError, match=r"^a file: steps: must be a whole number"):
        checked_settings(ChainConfig, {"steps": None}, where="a file")


def test_unknown_arguments_are_all_named():
    refuse_unknown({"a": 1}, {"a", "b"}, where="EDM network")
    with pytest.raises(UserError, match=r"^EDM network: arguments that are not known here: twist, whirl$"):
        refuse_unknown({"whirl": 1, "a": 1, "twist": 2}, ("a", "b"), where="EDM network")


def test_images_are_square():
    assert square_images(3, 32) == DataSpec((3, 32, 32), 0, "images")
    assert square_images(1, 8, classes=10).classes == 10
