"""Where a board's files are: committed boards have them there."""

from pathlib import Path

import pytest

from harness.store.board_folder import BoardFolder
from harness.store.record_names import RecordName

LEADERBOARDS = Path(__file__).parents[2] / "leaderboards"
PUBLISHED = sorted(folder.parent for folder in LEADERBOARDS.glob("*/results"))


def test_every_file_is_where_git_has_it():
    folder = BoardFolder(Path("leaderboards/rings"))
    assert folder.results == Path("leaderboards/rings/results")
    assert folder.page == Path("leaderboards/rings/README.md")
    assert folder.plots == Path("leaderboards/rings/plots")
    assert folder.reported == Path("leaderboards/rings/reported.csv")
    assert folder.record(RecordName("cell", "net/tune/n500/s2")) == folder.results / "net__tune__n500__s2.json"
    assert folder.record(RecordName("floor", "fid[cnn]__n500")) == folder.results / "floor__fid[cnn]__n500.json"
    assert folder.preview("net/tune/n500") == folder.results / "preview__net__tune__n500.json"
    assert folder.real_preview == folder.results / "preview__real.json"


@pytest.mark.parametrize("root", PUBLISHED, ids=lambda root: root.name)
def test_published_boards_have_page_plots_and_the_preview_of_real_examples(root):
    folder = BoardFolder(root)
    assert folder.page.is_file()
    assert folder.real_preview.is_file()
    assert any(folder.plots.iterdir())
