import base64
import io

import pytest
import torch
from harness_fake_images import shades
from PIL import Image

from harness.errors import Diverged
from harness.report.sheet import COLUMNS, LINES, pixels, sheet_of


def shades_shown(sheet):
    """The shade of each place, line by line."""
    return pixels(sheet)[::3, ::3, 0].tolist()


def test_images_stand_in_their_order_without_labels():
    places = shades_shown(sheet_of(shades(100), None))
    assert places == [list(range(line * COLUMNS, (line + 1) * COLUMNS)) for line in range(LINES)]


def test_few_images_make_a_small_sheet():
    assert shades_shown(sheet_of(shades(3), None)) == [[0, 1, 2]]


def test_a_last_line_that_is_not_full_ends_in_white():
    assert shades_shown(sheet_of(shades(12), None))[1] == [10, 11, *[255] * 8]


def test_each_class_has_a_column():
    labels = torch.tensor([2, 0, 1, 1, 0, 2, 2])
    assert shades_shown(sheet_of(shades(7), labels)) == [[1, 2, 0], [4, 3, 5]]


def test_the_rarest_class_says_how_many_lines_there_are():
    labels = torch.tensor([0, 1, 0, 0, 0])
    assert shades_shown(sheet_of(shades(5), labels)) == [[0, 1]]


@pytest.mark.parametrize("labels", [torch.arange(100).flip(0) % 50, torch.full((100,), 3), torch.zeros(100, dtype=torch.int64)])
def test_too_many_classes_absent_ones_and_a_single_one_are_shown_as_the_images_come(labels):
    assert shades_shown(sheet_of(shades(100), labels))[0] == list(range(COLUMNS))


def test_colours_and_gaps_are_kept():
    x = torch.full((2, 3, 2, 2), -1.0)
    x[:, 0] = 1.0
    sheet = pixels(sheet_of(x, None))
    assert sheet.shape == (2, 5, 3)
    assert sheet[0, 0].tolist() == [255, 0, 0]
    assert sheet[:, 2].min() == 255, "white between the images"


def test_a_grey_sheet_is_a_grey_png():
    with Image.open(io.BytesIO(base64.b64decode(sheet_of(shades(4), None)))) as image:
        assert (image.format, image.mode, image.size) == ("PNG", "L", (4 * 3 - 1, 2))


def test_values_outside_the_range_are_clamped_and_values_that_are_not_finite_refused():
    assert shades_shown(sheet_of(torch.full((1, 1, 2, 2), 9.0), None)) == [[255]]
    with pytest.raises(Diverged):
        sheet_of(torch.full((1, 1, 2, 2), torch.nan), None)


def test_the_same_images_give_the_same_text():
    assert sheet_of(shades(40), None) == sheet_of(shades(60), None)


@pytest.mark.parametrize("text", ["no base64!", base64.b64encode(b"no image").decode()])
def test_a_damaged_sheet_is_no_sheet(text):
    with pytest.raises(ValueError, match=r"no sheet|base64"):
        pixels(text)
