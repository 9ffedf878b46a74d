import pytest
from search_boards import SEARCH_BOARD, plugins

from harness.board.reading.load import load_board
from harness.errors import UserError

POINT = {"strength": 0.5, "optimizer.lr": 0.3, "bank": 7}


def test_a_trial_is_a_row_on_the_seeds_of_the_search(study):
    board = study.board([POINT], 0)
    assert [cell.name for cell in board.cells] == [f"net/tune[strength=0.5,lr=0.3,bank=7]/s{seed}" for seed in (100, 101)]
    settings = board.cells[0].method.settings
    assert (settings.strength, settings.optimizer.lr, settings.bank, settings.critic.lr) == (0.5, 0.3, 7, 0.2)
    assert not board.floors


def test_a_trial_has_the_weights_of_the_same_row_written_by_hand(study, write_board):
    (trial, _) = study.board([POINT], 0).cells
    entry = "method: {name: weigh, critic: {lr: 0.2}, strength: 0.5, optimizer: {lr: 0.3}, bank: 7}"
    by_hand = SEARCH_BOARD[: SEARCH_BOARD.index("search:")].replace("method: {name: weigh, critic: {lr: 0.2}}", entry)
    by_hand = by_hand.replace("seeds: [0, 1, 2]", "seeds: [100]").replace("images: 1280}}}", "images: 1280}, seed: 100}}")
    cells = load_board(write_board(by_hand, name="by-hand"), plugins=plugins()).cells
    assert trial.finetune_key in {cell.finetune_key for cell in cells}


def test_the_base_is_made_with_a_seed_of_its_own(studies):
    board = studies()[0].board([POINT], 0)
    assert board.cells[0].base.origin.seed == 100
    text = SEARCH_BOARD.replace("trials: 12", "pretrain_seed: board")
    assert studies(text)[0].board([POINT], 0).cells[0].base.origin.seed == 0


def test_rungs_are_smaller_budgets(studies):
    (study,) = studies(SEARCH_BOARD.replace("trials: 12", "rungs: 3"))
    assert [study.images(POINT, rung) for rung in range(3)] == [640, 1920, 5760]
    (cell, _) = study.board([POINT], 0).cells
    assert (cell.method_name, cell.training.images) == ("tune[strength=0.5,lr=0.3,bank=7,images=640]", 640)


def test_the_curve_counts_and_one_draw_is_measured(studies):
    (study,) = studies()
    cell = study.board([POINT], 0).cells[0]
    assert study.is_by_curve
    assert (cell.evaluation.draws, cell.evaluation.samples, [column.name for column in cell.columns]) == (1, 100, ["distance"])
    (study,) = studies(SEARCH_BOARD.replace("trials: 12", "metric: likeness"))
    cell = study.board([POINT], 0).cells[0]
    assert not study.is_by_curve
    assert study.column.higher_is_better
    assert (cell.evaluation.draws, [column.name for column in cell.columns]) == (2, ["distance", "likeness"])


def test_trials_are_drawn_and_extracted_as_the_board_says(studies):
    text = SEARCH_BOARD.replace("draws: 2}", "draws: 2, batch: 20, sampling_precision: bf16, extraction_batch: 9}")
    assert "sampling_precision" in text
    for change in ("trials: 12", "metric: likeness"):
        evaluation = studies(text.replace("trials: 12", change))[0].board([POINT], 0).cells[0].evaluation
        assert (evaluation.batch, evaluation.sampling_precision, evaluation.extraction_batch) == (20, "bf16", 9)
    assert studies(text)[0].key != studies(text.replace("bf16", "fp16"))[0].key


def test_each_base_has_a_study(studies):
    text = SEARCH_BOARD.replace("bases: net", "bases: [net, chain]")
    assert [study.label for study in studies(text)] == ["weights on net", "weights on chain"]
    with pytest.raises(UserError, match="weights on chain: chain lacks Likelihood, which weigh needs"):
        studies(text)[1].board([POINT], 0)
    assert [study.base for study in studies(text, bases=["net"])] == ["net"]


def test_a_study_is_another_one_where_anything_changes_but_the_number_of_trials(studies):
    keys = {
        change: studies(SEARCH_BOARD.replace(*change))[0].key
        for change in [
            ("x", "x"), ("trials: 12", "trials: 13"), ("low: 0.01", "low: 0.02"), ("[100, 101]", "[100]"), ("lr: 0.2", "lr: 0.3"),
            ("trials: 12", "sampler_seed: 1"), ("points: 4", "points: 5"), ("images: 5760", "images: 11520"),
        ]
    }  # fmt: skip
    assert len(set(keys.values())) == len(keys) - 1


def test_names_that_the_board_does_not_have(studies):
    with pytest.raises(UserError, match="no search is called 'wieghts'; did you mean 'weights'"):
        studies(SEARCH_BOARD, "wieghts")
    with pytest.raises(UserError, match="no base of a search is called 'chain'"):
        studies(SEARCH_BOARD, bases=["chain"])
    with pytest.raises(UserError, match="no `search`"):
        studies(SEARCH_BOARD[: SEARCH_BOARD.index("search:")])
