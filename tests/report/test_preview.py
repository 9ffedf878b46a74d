import base64
import io
import json
import os

import pytest
import torch
from harness_fake_images import shades
from PIL import Image

from harness.errors import UserError
from harness.interfaces import Batch, DataSpec
from harness.report.preview import POINTS, Preview, is_enough, preview_of, read_preview, save_preview
from harness.report.sheet import pixels, sheet_of


@pytest.fixture
def path(tmp_path):
    return tmp_path / "results" / "preview__net__fit.json"


def test_points_are_rounded_to_what_a_plot_can_show():
    preview = preview_of(Batch(torch.tensor([[1 / 3, -2.0], [1e-9, 123.456789]])), "abc")
    assert preview == Preview("abc", [[0.3333, -2.0], [0.0, 123.4568]])


def test_rounded_points_have_no_digits_of_their_neighbours_in_float64():
    # 0.1 in float32 is 0.10000000149 in float64.
    assert preview_of(Batch(torch.full((1, 2), 0.1)), "abc").text() == '{"source":"abc","points":[[0.1,0.1]]}\n'


def test_the_first_points_stand_for_all():
    points = torch.arange(2 * POINTS + 2).view(-1, 2).float()
    preview = preview_of(Batch(points), "abc")
    assert len(preview.points) == POINTS
    assert preview.points[-1] == [2 * POINTS - 2, 2 * POINTS - 1]


def test_points_that_are_not_finite_are_kept():
    points = preview_of(Batch(torch.tensor([[float("inf"), float("nan")]])), "abc").points
    assert str(points) == "[[inf, nan]]"


def test_images_are_a_sheet_with_a_column_for_each_class():
    preview = preview_of(Batch(shades(4), torch.tensor([1, 0, 0, 1])), "abc")
    assert preview.points == ()
    assert pixels(preview.sheet)[::3, ::3, 0].tolist() == [[1, 0], [2, 3]]


@pytest.mark.parametrize("preview", [Preview("abc", [[0.5, 1.0], [2.0, -3.25]]), Preview("abc", sheet=sheet_of(shades(3), None))])
def test_a_preview_is_read_as_it_was_saved(path, preview):
    save_preview(preview, path)
    assert read_preview(path) == preview
    assert path.read_text() == preview.text()
    assert set(json.loads(path.read_text())) == {"source", "sheet" if preview.sheet else "points"}


def test_a_preview_that_is_not_there_is_none(path):
    assert read_preview(path) is None


@pytest.mark.parametrize(
    "text", ["", "no JSON", "[]", "3", '{"points": []}', '{"source": "abc"}', '{"source": "abc", "sheet": "?"}', '{"sheet": ""}']
)
def test_a_file_that_holds_no_preview_says_what_to_do(path, text):
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(UserError, match=rf"{path.name}: damaged: not a preview; delete it and publish again"):
        read_preview(path)


@pytest.mark.parametrize(
    "text",
    [
        '{"source": "s", "points": 3}', '{"source": "s", "points": [[1]]}', '{"source": "s", "points": [["a", 1]]}',
        '{"source": "s", "points": [[true, 1]]}', "[" * 100_000, '{"source": "s", "sheet": 3}', "3",
    ],
)  # fmt: skip
def test_content_that_no_plot_can_show_is_damage(path, text):
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(text)
    with pytest.raises(UserError, match="damaged: not a preview; delete it and publish again"):
        read_preview(path)


def test_a_sheet_that_declares_more_pixels_than_any_is_damage(path):
    path.parent.mkdir(parents=True)
    image = io.BytesIO()
    Image.new("1", (16384, 8192)).save(image, "PNG")
    path.write_text(json.dumps({"source": "s", "sheet": base64.b64encode(image.getvalue()).decode()}))
    with pytest.raises(UserError, match="damaged: not a preview"):
        read_preview(path)


def test_a_pipe_is_no_preview(path):
    path.parent.mkdir(parents=True)
    os.mkfifo(path)
    with pytest.raises(UserError, match="a pipe or a device stands where a file must be"):
        read_preview(path)


@pytest.mark.parametrize("classes", [0, 1, 2, 7, 10, 11, 30])
def test_the_beginning_that_is_enough_gives_the_preview_of_the_whole(classes):
    random = torch.Generator().manual_seed(classes)
    x = torch.rand(400, 1, 2, 2, generator=random) * 2 - 1
    labels = torch.randint(classes, (400,), generator=random) if classes else None
    whole, spec = preview_of(Batch(x, labels), "abc"), DataSpec((1, 2, 2), classes, "images")
    enough = [n for n in range(1, 400) if is_enough(n, None if labels is None else labels[:n], spec)]
    assert enough[0] < 100
    for n in (enough[0], enough[0] + 1, enough[-1]):
        assert preview_of(Batch(x[:n], None if labels is None else labels[:n]), "abc") == whole


def test_without_one_of_the_classes_the_whole_set_is_needed():
    labels = torch.arange(400) % 9
    assert not is_enough(400, labels, DataSpec((1, 2, 2), 10, "images"))
    assert is_enough(POINTS, None, DataSpec((2,)))
    assert not is_enough(POINTS - 1, None, DataSpec((2,)))
