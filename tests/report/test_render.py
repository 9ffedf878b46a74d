import pytest

from harness.errors import UserError
from harness.report.render import Written, render_published, render_runs
from harness.store.board_folder import BoardFolder
from harness.store.record_names import RecordName


@pytest.fixture
def empty_curves(monkeypatch):
    """Drawing takes half a second, and has tests of its own."""
    from matplotlib.figure import Figure

    monkeypatch.setattr("harness.report.plots.curves._draw", lambda _: Figure(figsize=(1, 1)))


@pytest.fixture
def folder(board):
    return BoardFolder(board.folder)


@pytest.fixture
def written(board, folder, publish_records, empty_curves):
    """The board's folder with its page and plots."""
    publish_records(board)
    render_published(board).write(folder.root)
    return folder


def stale(board):
    """What is stale in the board's folder, without the folder's path."""
    return [problem.removeprefix(f"{board.folder}/") for problem in render_published(board).stale(board.folder)]


def test_what_was_written_is_up_to_date(board, folder, publish_records, empty_curves):
    publish_records(board)
    written = render_published(board).write(folder.root)
    assert written == Written((folder.page, folder.plots / "curves.png"), ())
    assert folder.page.read_text() == render_published(board).page
    assert stale(board) == []


def test_a_board_without_a_page_is_stale(board, publish_records):
    publish_records(board)
    assert stale(board) == ["README.md: missing", "plots/curves.png: missing"]


def test_new_records_make_page_and_plot_stale(board, written, publish_records):
    publish_records(board, board.cells[3:6], curve=[{"images": 0, "value": 1.0}])
    publish_records(board, board.cells[:1], metrics={"distance": {"values": [9.0]}})
    assert stale(board) == [
        "README.md: stale: not what the records and board.yaml give",
        "plots/curves.png: stale: drawn from other records",
    ]


def test_an_edited_page_is_stale(board, written):
    written.page.write_text(written.page.read_text().replace("5.10", "1.10"))
    assert stale(board) == ["README.md: stale: not what the records and board.yaml give"]


def test_a_picture_that_is_not_the_harness_s_does_not_pass_for_a_plot(board, written):
    (written.plots / "curves.png").write_bytes(b"not a picture")
    assert stale(board) == ["plots/curves.png: stale: drawn from other records"]


def test_a_plot_that_the_board_no_longer_has_goes_and_other_files_stay(board, written):
    (written.plots / "curves.png").rename(written.plots / "old.png")
    (written.plots / "by-hand.png").write_bytes(b"not ours")
    assert "plots/old.png: drawn from nothing that the board has" in stale(board)
    render_published(board).write(written.root)
    assert sorted(path.name for path in written.plots.iterdir()) == ["by-hand.png", "curves.png"]


def test_a_plot_that_is_current_is_not_drawn_again(board, written):
    plot = written.plots / "curves.png"
    before = plot.stat().st_mtime_ns
    render_published(board).write(written.root)
    assert plot.stat().st_mtime_ns == before


def test_a_plot_that_cannot_be_drawn_is_one_line_and_the_page_is_written(board, written, monkeypatch):
    (written.plots / "curves.png").unlink()
    written.page.unlink()

    def fail(curves):
        raise RuntimeError("no fonts here\nat all")

    monkeypatch.setattr("harness.report.plots.curves._draw", fail)
    ended = render_published(board).write(written.root)
    assert ended == Written((written.page,), ("curves.png is not drawn: RuntimeError: no fonts here",))
    assert written.page.is_file()
    assert list(written.plots.iterdir()) == []


def test_a_plot_that_cannot_be_drawn_leaves_no_older_picture_and_no_link(board, written, publish_records, monkeypatch):
    publish_records(board, board.cells[3:6], curve=[{"images": 0, "value": 1.0}])
    with monkeypatch.context() as patch:
        patch.setattr("harness.report.plots.curves._draw", lambda _: 1 / 0)
        ended = render_published(board).write(written.root)
    assert ended.undrawn == ("curves.png is not drawn: ZeroDivisionError: division by zero",)
    assert not (written.plots / "curves.png").exists()
    assert "curves.png" not in written.page.read_text()
    missing = ["README.md: stale: not what the records and board.yaml give", "plots/curves.png: missing"]
    assert stale(board) == missing, "a machine that can draw makes both anew"
    render_published(board).write(written.root)
    assert "(plots/curves.png)" in written.page.read_text()
    assert stale(board) == []


def test_a_picture_by_hand_in_the_place_of_a_plot_that_cannot_be_drawn_stays_without_a_link(board, written, monkeypatch):
    (written.plots / "curves.png").write_bytes(b"not ours")
    monkeypatch.setattr("harness.report.plots.curves._draw", lambda _: 1 / 0)
    assert render_published(board).write(written.root).paths == (written.page,)
    assert (written.plots / "curves.png").read_bytes() == b"not ours"
    assert "curves.png" not in written.page.read_text()


def test_a_current_picture_stays_on_a_machine_that_cannot_draw(board, written, monkeypatch):
    monkeypatch.setattr("harness.report.plots.curves._draw", lambda _: 1 / 0)
    assert render_published(board).write(written.root) == Written((written.page, written.plots / "curves.png"), ())
    assert stale(board) == []


def test_a_plot_that_cannot_be_made_is_one_line_and_the_others_are_there(board, publish_records, monkeypatch):
    publish_records(board)
    monkeypatch.setattr("harness.report.render.sizes_plot", lambda _: 1 / 0)
    rendered = render_published(board)
    assert rendered.undrawn == ("the plot of sizes is not drawn: ZeroDivisionError: division by zero",)
    assert [plot.name for plot in rendered.plots] == ["curves.png"]


def test_listeners_hear_of_each_page(board, written, monkeypatch):
    heard = []

    class Registry:
        def listen(self, hook, **facts):
            heard.append((hook, facts))

    monkeypatch.setattr("harness.report.render.registry", Registry)
    render_published(board).write(written.root)
    assert heard == [("harness_table_rendered", {"board": "rings", "path": written.page})]


def test_runs_are_rendered_from_the_runs_folder(board, runs, run_records, empty_curves):
    run_records(board, runs)
    rendered = render_runs(board, runs)
    assert [row.done for row in rendered.table.rows] == [3, 3, 3, 3, 3, 0]
    paths = rendered.write(runs.board(board.name)).paths
    assert [path.relative_to(runs.root).as_posix() for path in paths] == [
        "boards/rings/README.md",
        "boards/rings/plots/curves.png",
    ]


def test_pages_and_plots_of_a_board_of_data_are_written_and_then_fresh(data_board, data_table):
    paths = render_published(data_board).write(data_board.folder).paths
    assert [path.name for path in paths] == ["README.md", "seen.png", "sizes.png"]
    assert stale(data_board) == []


def test_faults_of_hand_written_and_published_files_end_rendering(board, folder, publish_records):
    publish_records(board)
    folder.reported.write_text("model\n")
    with pytest.raises(UserError, match=r"reported\.csv:1: columns are missing"):
        render_published(board)
    folder.reported.unlink()
    folder.record(RecordName("cell", "net/fit/s0")).write_text("{}")
    with pytest.raises(UserError, match=r"net__fit__s0\.json: damaged"):
        render_published(board)
