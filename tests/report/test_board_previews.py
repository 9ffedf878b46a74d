import pytest
import torch
from board_fixtures import SAMPLER_BOARD
from harness_fake_images import shades
from safetensors.torch import save_file

from harness.errors import UserError
from harness.indexed_sets import InMemory
from harness.interfaces import DataSpec
from harness.report.board_previews import (
    BoardPreviews,
    can_be_shown,
    make_previews,
    read_published_previews,
    real_preview,
    shown_cells,
)
from harness.report.collect import collect_published, collect_runs
from harness.report.preview import Preview, save_preview
from harness.report.sheet import pixels, sheet_of
from harness.stages import example_sets
from harness.stages.checked import CheckedSource
from harness.stages.example_faults import DataFault
from harness.store import manifests, outputs
from harness.store.board_folder import BoardFolder
from harness.store.keys import file_sha256


@pytest.fixture
def draw(runs):
    """Writes a cell's sample sets into the runs folder as the sample stage does; a set's values tell seed and draw."""

    def draw(cell, *shape):
        def make(folder):
            save_file({f"x.{draw}": torch.full(shape, cell.seed + draw / 4) for draw in range(2)}, folder / example_sets.SAMPLES)
            return {"samples_sha256": f"samples-{cell.name}"}

        return outputs.once(runs, "sample", cell.sample_key, make).folder / example_sets.SAMPLES

    return draw


@pytest.fixture
def published(board, publish_records):
    """Publishes all records and a preview for each shown row; returns the board's folder."""
    publish_records(board)
    folder = BoardFolder(board.folder)
    for row, cell in shown_cells(collect_published(board)):
        save_preview(Preview(f"samples-{cell.name}", [[1.0, 2.0]]), folder.preview(row.name))
    save_preview(Preview("ring-1", [[3.0, 4.0]]), folder.real_preview)
    return folder


def names_of_shown(board):
    return [cell.name for _, cell in shown_cells(collect_published(board))]


def test_the_lowest_done_seed_stands_for_a_row(board, publish_records):
    publish_records(board)
    assert names_of_shown(board) == ["net/none/s0", "net/fit/s0", "net/tune/s0", "chain/none/s0", "chain/fit/s0"]
    publish_records(board, [cell for cell in board.cells if cell.seed == 0], status="diverged")
    assert names_of_shown(board)[:2] == ["net/none/s1", "net/fit/s1"]


def test_a_row_without_a_done_seed_is_not_shown(board, publish_records):
    assert names_of_shown(board) == []
    publish_records(board, board.cells[:3], status="failed", metrics={})
    assert names_of_shown(board) == []


def test_of_several_sizes_the_row_of_the_most_samples_is_shown(data_board, publish_records):
    publish_records(data_board)
    assert names_of_shown(data_board) == ["good/none/n200/s0", "bad/none/n200/s0"]
    publish_records(data_board, [cell for cell in data_board.cells if cell.row.size == 200], status="failed", metrics={})
    assert names_of_shown(data_board) == ["good/none/n100/s0", "bad/none/n100/s0"]


def test_published_previews_are_read_by_their_rows(board, published):
    previews = read_published_previews(collect_published(board))
    assert set(previews.rows) == {"net/none", "net/fit", "net/tune", "chain/none", "chain/fit"}
    assert previews.rows["net/fit"] == Preview("samples-net/fit/s0", [[1.0, 2.0]])
    assert previews.real == Preview("ring-1", [[3.0, 4.0]])


def test_a_preview_of_other_samples_than_the_record_s_is_left_out(board, published, publish_records):
    publish_records(board, board.cells[:1], samples_sha256="another")
    assert "net/none" not in read_published_previews(collect_published(board)).rows


def test_real_examples_of_another_dataset_are_left_out(board, published, publish_records):
    publish_records(board, dataset_fingerprint="ring-2")
    assert read_published_previews(collect_published(board)).real is None


def test_a_board_without_previews_has_none(collection):
    assert read_published_previews(collection) == BoardPreviews(None, {})


def test_a_damaged_preview_is_an_error_that_names_the_file(board, published):
    published.preview("net/fit").write_text("{}")
    with pytest.raises(UserError, match=r"preview__net__fit\.json: damaged"):
        read_published_previews(collect_published(board))


def test_previews_are_made_of_the_first_draw_in_the_runs_folder(board, runs, run_records, draw):
    run_records(board, runs)
    for cell in board.cells[:6]:
        draw(cell, 100, 2)
    previews = make_previews(collect_runs(board, runs), runs)
    assert previews.rows == {
        "net/none": Preview("samples-net/none/s0", [[0.0, 0.0]] * 100),
        "net/fit": Preview("samples-net/fit/s0", [[0.0, 0.0]] * 100),
    }
    assert previews.real is not None
    assert previews.real.source == "ring-1"
    assert len(previews.real.points) == 100


def test_data_that_cannot_be_drawn_are_one_line_and_no_preview(board, runs, run_records, draw, monkeypatch):
    def refuse(self, draw, n):
        raise ValueError(f"there are no {n} points")

    run_records(board, runs)
    draw(board.cells[0], 100, 2)
    monkeypatch.setattr("harness_fake.Ring.evaluation", refuse)
    previews = make_previews(collect_runs(board, runs), runs)
    assert (previews.real, previews.rows) == (None, {})
    (line,) = previews.unmade
    assert line.startswith(
        "no preview of real examples: dataset ring, evaluation draw 0 of 100 examples: there are no 100 points; lower evaluation"
    )


def test_samples_that_cannot_be_shown_are_one_line_and_the_others_have_previews(board, runs, run_records, draw):
    run_records(board, runs)
    draw(board.cells[0], 100, 2)
    draw(board.cells[3], 100, 2)
    file = runs.stage("sample", board.cells[0].sample_key) / example_sets.SAMPLES
    file.write_bytes(b"damaged")
    for compares_files, fault in (
        (False, f"{file}: cannot be read: "),
        (True, "samples.safetensors does not match its checksum"),
    ):
        previews = make_previews(collect_runs(board, runs), runs, compares_files=compares_files)
        assert set(previews.rows) == {"net/fit"}
        (line,) = previews.unmade
        assert line.startswith("no preview of net/none: ")
        assert fault in line


def test_files_of_samples_are_read_as_far_as_they_are_shown_unless_they_are_to_be_published(
    board, runs, run_records, draw, monkeypatch
):
    hashed = []
    run_records(board, runs)
    draw(board.cells[0], 100, 2)
    monkeypatch.setattr(manifests, "file_sha256", lambda path: hashed.append(path.name) or file_sha256(path))
    shown = make_previews(collect_runs(board, runs), runs)
    assert (set(shown.rows), hashed) == ({"net/none"}, [])
    assert make_previews(collect_runs(board, runs), runs, compares_files=True) == shown
    assert hashed == [example_sets.SAMPLES]


def test_previews_of_images_are_sheets(image_board, runs, run_records, draw):
    board = image_board()
    run_records(board, runs)
    draw(board.cells[0], 20, 1, 2, 2)
    previews = make_previews(collect_runs(board, runs), runs)
    assert pixels(previews.rows["net/none"].sheet)[::3, ::3, 0].tolist() == [[128] * 10] * 2, "zero is grey"
    assert previews.real == Preview("shades-1", sheet=sheet_of(shades(100), torch.arange(100) % 10))


def test_latents_have_no_previews(image_board, runs, run_records, draw):
    board = image_board(channels=4)
    run_records(board, runs)
    draw(board.cells[0], 20, 4, 2, 2)
    assert make_previews(collect_runs(board, runs), runs) == BoardPreviews()


def test_real_examples_pass_the_check_of_the_stages(image_board, monkeypatch):
    bytes_as_floats = (shades(100) + 1) * 127.5
    monkeypatch.setattr("harness_fake_images.shades", lambda *_: bytes_as_floats)
    with pytest.raises(DataFault, match=r"dataset shades, evaluation draw 0: values from 0 to 99, and images are in \[-1, 1\]"):
        real_preview(image_board())


@pytest.mark.parametrize(
    ("shape", "preview", "expected"),
    [
        ((2,), "points", True),
        ((3,), "points", False),
        ((1, 8, 8), "images", True),
        ((3, 8, 8), "images", True),
        ((4, 8, 8), "images", False),
        ((8, 8), "images", False),
        ((2,), "images", False),
    ],
)
def test_points_in_the_plane_and_grey_or_coloured_images_can_be_shown(shape, preview, expected):
    assert can_be_shown(DataSpec(shape, preview=preview)) is expected


def test_one_draw_is_read_from_the_file_of_all(runs, board, draw):
    cell = board.cells[1]
    batch = example_sets.read_draw(draw(cell, 5, 2), 1)
    assert batch.x.tolist() == [[1.25, 1.25]] * 5
    assert batch.labels is None


def test_the_first_sampler_with_a_result_is_shown(load, publish_records):
    board = load(text=SAMPLER_BOARD)
    publish_records(board)
    assert names_of_shown(board)[:2] == ["net/none/plain/s0", "net/fit/plain/s0"]
    publish_records(board, [cell for cell in board.cells if cell.row.sampler_name == "plain"], status="diverged")
    assert {"net/none/push-0/s0", "net/fit/push-0/s0"} < set(names_of_shown(board)), "walking cannot draw from net"
    assert "chain/none/walking/s0" in names_of_shown(board)


def test_real_examples_are_read_only_as_far_as_they_are_shown(image_board, monkeypatch):
    expected = real_preview(image_board())
    monkeypatch.setattr("harness.report.board_previews.READ_AT_ONCE", 7)
    read = []
    rows = InMemory.read
    monkeypatch.setattr(InMemory, "read", lambda self, numbers: read.append(len(numbers)) or rows(self, numbers))
    assert real_preview(image_board()) == expected
    assert 40 <= sum(read) < 60  # four of each of ten classes, which take turns


def test_where_a_draw_has_fewer_examples_than_are_generated_as_many_are_shown(image_board, monkeypatch):
    """A board whose columns compare with the curve's examples alone may generate more than a draw of the evaluation has."""
    asked, drawn = [], CheckedSource.evaluation_set
    monkeypatch.setattr(CheckedSource, "largest_evaluation", 5)
    monkeypatch.setattr(CheckedSource, "evaluation_set", lambda self, draw, n: asked.append((draw, n)) or drawn(self, draw, n))
    assert real_preview(image_board()) is not None
    assert asked == [(0, 5)]
