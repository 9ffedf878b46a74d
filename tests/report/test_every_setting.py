from harness.board.reading.load import load_board
from harness.report.collect import collect_published
from harness.report.every_setting import every_setting
from harness.report.how_measured import protocol_section

RMSPROP = "optimizer: {name: rmsprop, lr: 0.01, weight\\_decay: 0.0, clip: 1.0, warmup: 0.0, decay: constant}"
MLE_BOARD = """\
title: A default decides
dataset: two-moons
bases:
  ddpm: {model: ddpm-mlp, pretrain: {method: mle, training: {images: 1280}}}
methods:
  mle: {method: {name: mle, optimizer: {lr: 0.01}}}
training: {images: 1280, ema: 0.99}
metrics: {w2: {}}
"""


def lines(board):
    return every_setting(board).splitlines()


def test_the_optimiser_that_a_rate_belongs_to_is_named_though_the_board_does_not(write_board):
    board = load_board(write_board(MLE_BOARD))
    text = protocol_section(collect_published(board))
    assert "    - mle: `mle` (optimizer: {name: rmsprop, lr: 0.01}), version " in text
    assert f"    - mle: `mle` ({RMSPROP})\n" in text  # without betas, which RMSprop does not have
    assert "    - ddpm: `ancestral`" in text


def test_every_part_of_a_board_has_all_its_settings(board):
    assert lines(board) == [
        '<details markdown="1">',
        "<summary>Every setting, given by the board or by default</summary>",
        "",
        "- **Data**",
        "    - the board's dataset: `ring`",
        "- **Models**",
        "    - Net: `net` (width: 8)",
        "    - Chain: `chain`",
        "- **Pretraining**",
        "    - Net; Chain: `fit`; seed 0",
        "- **Samplers**",
        "    - Net; Chain: `draw`",
        "- **Methods**",
        "    - base: `none`",
        "    - more of it: `fit`",
        "    - tune: `tune` (rate: 0.1)",
        "- **Training**",
        "    - pretraining of Net; pretraining of Chain; more of it; tune: images: 1280, batch: 128, ema: none, select: last, "
        r"micro\_batch: none, precision: float32, channels\_last: false, compile: false",
        "- **Metrics**",
        r"    - distance: `distance`; against: evaluation, draws: 2, floor\_pairs: 4",
        r"    - likeness: `likeness`; against: evaluation, draws: 2, floor\_pairs: 4",
        "- **Evaluation**",
        "    - samples: 100, draws: 2, batch: 10000",
        "    - curve: distance at 5 points, samples: 100",
        "",
        "</details>",
    ]


def test_steps_of_pretraining_and_methods_with_budgets_of_their_own_stand_apart(load):
    step = "{method: fit, training: {images: 1280}}"
    board = load(
        (f"net, pretrain: {step}", f"net, pretrain: [{step}, {{method: fit, training: {{images: 2560}}, seed: 3}}]"),
        ("  tune:\n", "  tune: {training: {ema: 0.5}, only: base=net}\n"),
    )
    text = every_setting(board)
    assert "    - Net, step 1; Chain: `fit`; seed 0\n    - Net, step 2: `fit`; seed 3\n" in text
    assert "    - pretraining of Net, step 2: images: 2560, " in text
    assert "    - tune (`base=net`): images: 1280, batch: 128, ema: 0.5, " in text


def test_a_smoke_board_has_the_settings_that_ran(load):
    assert "images: 1024, batch: 128" in every_setting(load(smoke=True))


def test_a_board_of_data_names_the_data_of_each_row_and_all_sizes(data_board):
    text = every_setting(data_board)
    assert "    - the board's dataset; as good; worse: `ring`\n- **Metrics**" in text
    assert "    - samples: 200 or 100, draws: 2, batch: 10000" in text
