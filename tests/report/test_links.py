from pathlib import Path

import pytest

from harness.report.links import with_links_from

BOARD, PAGE = Path("/project/leaderboards/rings"), Path("/project/runs/boards/rings")


@pytest.mark.parametrize(
    ("text", "turned"),
    [
        ("[search](../search/README.md#table)", "[search](../../../leaderboards/search/README.md#table)"),
        ("![plot](plots/x.png)", "![plot](../../../leaderboards/rings/plots/x.png)"),
        ('<img src="x.png">', '<img src="../../../leaderboards/rings/x.png">'),
        ("[folder](../search/)", "[folder](../../../leaderboards/search/)"),
        ("[paper](https://arxiv.org/abs/1) [mail](mailto:a@b) [root](/x) [here](#costs)",) * 2,
        (r"no [link] at all (../x), nor [this\](../x)",) * 2,
    ],
)
def test_relative_links_lead_to_the_same_places_from_another_folder(text, turned):
    assert with_links_from(text, BOARD, PAGE) == turned


def test_a_page_in_the_board_s_own_folder_keeps_its_links_as_they_are_written():
    assert with_links_from("[a](./b/../c.md)", BOARD, BOARD) == "[a](./b/../c.md)"
