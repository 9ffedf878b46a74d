from harness.report.published_path import published_path


def test_a_board_among_leaderboards_has_the_path_from_their_project(tmp_path):
    assert published_path(tmp_path / "leaderboards" / "rings") == "leaderboards/rings"


def test_a_board_elsewhere_has_the_path_from_the_root_of_its_project(tmp_path):
    (tmp_path / "mine" / ".git").mkdir(parents=True)
    assert published_path(tmp_path / "mine" / "studies" / "rings") == "studies/rings"
    (tmp_path / "mine" / "studies").mkdir()
    (tmp_path / "mine" / "studies" / "pyproject.toml").touch()
    assert published_path(tmp_path / "mine" / "studies" / "rings") == "rings"


def test_a_board_without_a_project_has_its_name_and_no_path_of_this_machine(tmp_path):
    assert published_path(tmp_path / "rings") == "rings"
