import base64
import json

import pytest
import torch
from safetensors.torch import save_file

from harness.errors import Diverged, UserError
from harness.report import board_previews
from harness.report.preview import Preview
from harness.report.publish import plan
from harness.report.render import render_published
from harness.report.sheet import COLUMNS, LINES, pixels, sheet_of
from harness.store.runs_folder import RunsFolder


def shades(n, channels=1):
    """Image i is of one shade, i / 255 of the way from black to white."""
    return (torch.arange(n) / 127.5 - 1).view(-1, 1, 1, 1).expand(-1, channels, 2, 2)


def shown(sheet):
    """The shade of each place, line by line."""
    return pixels(sheet)[::3, ::3, 0].tolist()


def test_images_stand_in_their_order_without_labels():
    places = shown(sheet_of(shades(100), None))
    assert places == [list(range(line * COLUMNS, (line + 1) * COLUMNS)) for line in range(LINES)]


def test_each_class_has_a_column():
    labels = torch.tensor([2, 0, 1, 1, 0, 2, 2])
    assert shown(sheet_of(shades(7), labels)) == [[1, 2, 0], [4, 3, 5]]


def test_more_classes_than_columns_are_shown_as_they_come():
    places = shown(sheet_of(shades(100), torch.arange(100).flip(0) % 50))
    assert places[0] == list(range(COLUMNS))


def test_colours_and_gaps_are_kept():
    x = torch.full((2, 3, 2, 2), -1.0)
    x[:, 0] = 1.0
    found = pixels(sheet_of(x, None))
    assert found.shape == (2, 5, 3)
    assert found[0, 0].tolist() == [255, 0, 0]
    assert found[:, 2].min() == 255, "white between the images"


def test_values_outside_the_range_are_clamped_and_others_are_refused():
    assert shown(sheet_of(torch.full((1, 1, 2, 2), 9.0), None)) == [[255]]
    with pytest.raises(Diverged):
        sheet_of(torch.full((1, 1, 2, 2), torch.nan), None)


@pytest.mark.parametrize("text", ["no base64!", base64.b64encode(b"no image").decode()])
def test_a_damaged_sheet_is_no_sheet(text):
    with pytest.raises(ValueError, match=r"no sheet|base64"):
        pixels(text)


def test_image_boards_show_the_lowest_seed_of_each_row(board, tmp_path, run_records, monkeypatch):
    layout = RunsFolder(tmp_path / "runs")
    run_records(board, layout)
    for cell in board.cells:
        folder = layout.stage("sample", cell.sample_key)
        folder.mkdir(parents=True, exist_ok=True)
        x = torch.full((20, 1, 2, 2), cell.seed / 4)
        save_file({"x.0": x, "labels.0": torch.arange(20) % 10}, folder / "samples.safetensors")
    real = Preview("ring-1", sheet=sheet_of(shades(20), None))
    monkeypatch.setattr(board_previews, "real_preview", lambda _: real)
    plan(board, layout).apply()
    file = board.folder / "results" / "preview__net__fit.json"
    assert shown(json.loads(file.read_text())["sheet"]) == [[128] * 10] * 2, "seed 0, two of each class"
    rendered = render_published(board)
    assert [plot.name for plot in rendered.plots] == ["samples.png", "curves.png"]
    assert rendered.plots[0].png() == rendered.plots[0].png()
    file.write_text(file.read_text().replace('"sheet":"', '"sheet":"?'))
    with pytest.raises(UserError, match="delete it and publish again"):
        render_published(board)
