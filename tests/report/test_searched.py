import pytest
from search_boards import SEARCH_BOARD, plugins, written

from harness.board.reading.load import load_board
from harness.report.searched import searched
from harness.run.searching.trials import CellCost, Trial
from harness.store.runs_folder import RunsFolder

FROM = SEARCH_BOARD.replace("label: Tune,", "label: Tune, settings_from: searched/tune.yaml,")


@pytest.fixture
def lines(write_board, studies, tmp_path):
    """The lines of a board whose search chose these values."""

    def of(text=FROM, kept_base=False, banks=(7, 8), **point):
        (study,) = studies(FROM)
        cost = {"key": CellCost(images=64_000, network_evaluations=1_000_000, seconds=90)}
        point = {"strength": 0.5, "optimizer.lr": 0.3, "bank": 7, **point}
        end = {"end": "done", "values": [1.5], "kept_base": kept_base}
        trials = [Trial(number=number, point={**point, "bank": bank}, cells=cost, **end) for number, bank in enumerate(banks)]
        written(study, trials, RunsFolder(tmp_path))
        return list(searched(load_board(write_board(text), plugins=plugins())))

    return of


def test_a_line_says_what_was_found_how_and_what_it_cost(lines):
    (line,) = lines()
    assert line.startswith(
        "**Tune**: strength 0.5, optimizer.lr 0.3, bank 7, the best of 2 trials of a search on net ([searched/tune"
    )
    assert "By distance, 1.5: the curve's value of the weights that a training ended with, the mean over seeds 100, 101." in line
    assert "The search cost 64.0k training images, 1.0M network evaluations and 90 s, and a base of its own 1280 and 0 s." in line


def test_repeated_points_are_counted_once(lines):
    (line,) = lines(banks=(7, 7, 8))
    assert "bank 7, the best of 3 trials at 2 different points of a search on net" in line
    (line,) = lines(banks=(7, 7))
    assert "bank 7, the best of 2 trials at 1 point of a search on net" in line


def test_an_edge_and_a_changed_search_are_on_the_page(lines):
    (line,) = lines(strength=95.0)
    assert "Strength 95 lies at the edge of its values (the largest, 100): widen them." in line
    (line,) = lines(FROM.replace("low: 0.01", "low: 0.02"))
    assert "space of the search 'weights' changed since the file was written" in line


def test_a_search_that_found_nothing_better_than_the_base_names_no_best(lines):
    (line,) = lines(kept_base=True)
    assert "bank 7, one of 2 trials of a search on net" in line
    assert line.endswith("No trial is better than the base, whose weights selection kept: the chosen settings are no best.")


def test_boards_without_searches_have_no_line(board):
    assert list(searched(board)) == []
