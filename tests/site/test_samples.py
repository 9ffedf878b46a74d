import numpy as np
import pytest
import torch

from harness.report.board_previews import BoardPreviews
from harness.report.preview import Preview
from harness.report.render import render_published
from harness.report.sheet import pixels, sheet_of
from harness.site.samples import MOST_POINTS, sample_data, samples_of, sheet_grid


@pytest.mark.parametrize(
    ("n", "labels", "grid"),
    [(40, None, (10, 4)), (7, None, (7, 1)), (25, None, (10, 3)), (12, torch.arange(12) % 3, (3, 4)), (1, None, (1, 1))],
)
def test_the_grid_of_a_sheet_is_found(n, labels, grid):
    images = torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(n)) * 1.9 - 1
    assert sheet_grid(pixels(sheet_of(images, labels))) == grid


def test_a_picture_that_is_no_sheet_is_one_image():
    assert sheet_grid(np.zeros((5, 9, 3), dtype=np.uint8)) == (1, 1)


def previews_of(collection, point):
    names = {row.name for row, _ in collection.rows}
    return BoardPreviews(Preview("real", [[0.0, 1.0]]), {name: Preview(name, [point] * 2000) for name in names})


def test_rows_of_one_base_and_seed_share_their_noise(rendered):
    collection = rendered.content.collection
    samples = samples_of(collection, previews_of(collection, [0.12345, 2.0]))
    assert [(each.label, each.seed, each.group) for each in samples] == [
        ("real", None, 0),
        ("Net × base", 0, 1),
        ("Net × more of it", 0, 1),
        ("Net × tune", 0, 1),
        ("Chain × base", 0, 2),
        ("Chain × more of it", 0, 2),
    ]


def test_a_row_whose_lowest_seed_is_another_shares_no_noise(board, publish_records, change_record):
    publish_records(board)
    change_record(board, "net/tune/s0", status="failed", metrics={})
    collection = render_published(board).content.collection
    groups = {each.label: (each.seed, each.group) for each in samples_of(collection, previews_of(collection, [0.0, 0.0]))}
    assert groups["Net × base"] == groups["Net × more of it"] == (0, 1)
    assert groups["Net × tune"] == (1, 2)


def test_a_base_that_was_pretrained_twice_is_two(board, publish_records, change_record):
    publish_records(board)
    change_record(board, "net/tune/s0", base_weights_sha256="c" * 64)
    collection = render_published(board).content.collection
    groups = {each.label: each.group for each in samples_of(collection, previews_of(collection, [0.0, 0.0]))}
    assert groups["Net × base"] == groups["Net × more of it"] != groups["Net × tune"]


def test_points_are_few_and_short_and_those_that_are_not_finite_are_none(rendered):
    collection = rendered.content.collection
    data = sample_data(samples_of(collection, previews_of(collection, [0.12345, float("inf")])))
    assert data[1]["points"] == [[0.123, None]] * MOST_POINTS


def test_without_previews_there_are_no_samples(rendered):
    assert samples_of(rendered.content.collection, rendered.previews) == []
