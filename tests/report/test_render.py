from harness.report.render import render_published


def test_what_was_written_is_up_to_date(board, publish_records):
    publish_records(board)
    paths = render_published(board).write(board.folder)
    assert [path.name for path in paths] == ["README.md", "curves.png"]
    assert render_published(board).stale(board.folder) == []


def test_a_board_without_a_page_is_stale(board, publish_records):
    publish_records(board)
    assert [one.rpartition("/")[2] for one in render_published(board).stale(board.folder)] == [
        "README.md: missing",
        "curves.png: missing",
    ]


def test_new_records_make_page_and_plot_stale(board, publish_records):
    publish_records(board)
    render_published(board).write(board.folder)
    publish_records(board, board.cells[3:6], curve=[{"images": 0, "value": 1.0}])
    publish_records(board, board.cells[:1], metrics={"distance": {"values": [9.0]}})
    stale = render_published(board).stale(board.folder)
    assert len(stale) == 2
    assert "README.md: stale" in stale[0]
    assert "curves.png: stale: drawn from other records" in stale[1]


def test_an_edited_page_is_stale(board, publish_records):
    publish_records(board)
    render_published(board).write(board.folder)
    page = board.folder / "README.md"
    page.write_text(page.read_text().replace("5.10", "1.10"))
    assert len(render_published(board).stale(board.folder)) == 1


def test_a_plot_that_the_board_no_longer_has_goes_and_other_files_stay(board, publish_records):
    publish_records(board)
    folder = board.folder / "plots"
    render_published(board).write(board.folder)
    (folder / "curves.png").rename(folder / "old.png")
    (folder / "by-hand.png").write_bytes(b"not ours")
    assert any("old.png" in one for one in render_published(board).stale(board.folder))
    render_published(board).write(board.folder)
    assert sorted(path.name for path in folder.iterdir()) == ["by-hand.png", "curves.png"]


def test_a_plot_that_is_current_is_not_drawn_again(board, publish_records):
    publish_records(board)
    render_published(board).write(board.folder)
    plot = board.folder / "plots" / "curves.png"
    before = plot.stat().st_mtime_ns
    render_published(board).write(board.folder)
    assert plot.stat().st_mtime_ns == before
