import pytest
from harness_fake_images import shades

from harness.report.board_previews import BoardPreviews
from harness.report.collect import collect_published
from harness.report.plots.samples import samples_plot
from harness.report.preview import Preview
from harness.report.sheet import sheet_of

POINTS = Preview("ring-1", [[0.0, 0.0], [1.0, 1.0]])
SHEET = Preview("ring-1", sheet=sheet_of(shades(4), None))


@pytest.fixture
def data_collection(data_board, publish_records):
    publish_records(data_board)
    return collect_published(data_board)


def test_generated_points_are_shown_over_real_ones(collection):
    plot = samples_plot(collection, BoardPreviews(POINTS, {"net/fit": POINTS, "net/none": POINTS}))
    assert plot.name == "samples.png"
    assert plot.caption == "Generated points (blue) over real points (grey), one panel a base and method"
    assert [axis.get_title() for axis in plot.draw().axes] == ["base", "more of it"], "in the order of the board"


def test_sheets_begin_with_held_out_images(collection):
    plot = samples_plot(collection, BoardPreviews(SHEET, {"net/fit": SHEET}))
    assert plot.caption == "Real images, and generated ones, one panel a base and method"
    assert [axis.get_title().strip() for axis in plot.draw().axes] == ["held-out images", "more of it"]


def test_lesser_points_of_grids_have_no_panel_and_the_caption_says_so(collection):
    previews = BoardPreviews(POINTS, {"net/fit": POINTS, "net/tune": POINTS, "chain/fit": POINTS})
    plot = samples_plot(collection, previews, {("net", "fit")})
    assert [axis.get_title() for axis in plot.draw().axes] == ["tune", "more of it"]
    assert plot.caption.endswith("; of each grid, the point that is best in the first column that ranks")


def test_a_board_of_data_shows_those_of_each_row(data_collection):
    plot = samples_plot(data_collection, BoardPreviews(SHEET, {"good/none/n200": SHEET}))
    assert plot.caption == "Real images, and those of each row"
    assert [axis.get_title().strip() for axis in plot.draw().axes] == ["held-out images", "as good"]


def test_without_real_examples_or_without_rows_there_is_no_plot(collection):
    assert samples_plot(collection, BoardPreviews()) is None
    assert samples_plot(collection, BoardPreviews(POINTS)) is None
    assert samples_plot(collection, BoardPreviews(None, {"net/fit": POINTS})) is None
    assert samples_plot(collection, BoardPreviews(POINTS, {"another/row": POINTS})) is None


@pytest.mark.parametrize(
    "other",
    [
        BoardPreviews(POINTS, {"net/fit": Preview("y", [[2.0, 2.0]])}),
        BoardPreviews(POINTS, {"net/none": POINTS}),
        BoardPreviews(Preview("z", [[0.0, 0.0]]), {"net/fit": POINTS}),
        BoardPreviews(POINTS, {"net/fit": POINTS, "net/none": POINTS}),
    ],
)
def test_other_samples_make_the_plot_stale(collection, other):
    before = samples_plot(collection, BoardPreviews(POINTS, {"net/fit": POINTS}))
    assert samples_plot(collection, other).digest != before.digest


def test_the_same_samples_leave_it_as_it_is(collection):
    plots = [samples_plot(collection, BoardPreviews(POINTS, {"net/fit": POINTS})) for _ in range(2)]
    assert plots[0].digest == plots[1].digest


def test_labels_are_part_of_what_the_plot_shows(load, publish_records, collection):
    previews = BoardPreviews(SHEET, {"net/fit": SHEET})
    renamed = load(("label: more of it", "label: longer"))
    publish_records(renamed)
    other = samples_plot(collect_published(renamed), previews)
    assert other.digest != samples_plot(collection, previews).digest
