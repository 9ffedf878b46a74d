import pickle

import pytest
from board_fixtures import BOARD

from harness.board.filters import parse_filter
from harness.board.load import load_board
from harness.errors import Faults, UserError

MISSPELT = """\
title: Rings
datset: ring
dataset: {name: rign}
bases:
  net:
    model: {name: net, widht: 8}
    pretrain: {method: fit, training: {images: 1280}}
methods:
  none:
  tune: {method: {name: tune, rate: 7}}
  fine: {method: tun, training: {images: 1000}}
training: {images: 1280, batch: few}
seeds: [0, 1]
metrics:
  distanse:
  likeness: {shown_in: 0, digit: 3}
"""


def faults_of(folder, plugins, **options):
    """The faults of a board, without its folder in front."""
    with pytest.raises(UserError) as caught:
        load_board(folder, plugins=plugins, **options)
    return [line.replace(f"{folder}/", "") for line in str(caught.value).splitlines()]


def fault(write_board, fake_plugins, old, new):
    """The one fault of the standard board with a change."""
    assert old in BOARD
    [found] = faults_of(write_board(BOARD.replace(old, new)), fake_plugins)
    return found


def test_a_board_has_a_cell_for_each_base_method_and_seed(board):
    assert [cell.name for cell in board.cells[:4]] == ["net/none/s0", "net/none/s1", "net/none/s2", "net/fit/s0"]
    assert len(board.cells) == 2 * 3 * 3
    assert [floor.metric.name for floor in board.floors] == ["distance", "likeness"]


def test_a_model_that_lacks_what_a_method_needs_is_skipped_with_the_reason(board):
    reasons = {cell.row.name: cell.skip_reason for cell in board.cells}
    assert reasons.pop("chain/tune") == "chain lacks Likelihood, which tune needs"
    assert set(reasons.values()) == {None}


def test_all_faults_are_found_at_once_each_with_its_line(write_board, fake_plugins):
    found = faults_of(write_board(MISSPELT), fake_plugins)
    for start, part in [
        ("board.yaml:2:", "no key is called 'datset' here; did you mean 'dataset'?"),
        ("board.yaml:3:", "no dataset is called 'rign'; did you mean 'ring'? installed: ring"),
        ("board.yaml:6:", "no key is called 'bases.net.model.widht' here; did you mean 'width'? keys: width"),
        ("board.yaml:10:", "methods.tune.method.rate: input should be less than or equal to 1, got 7"),
        ("board.yaml:11:", "no method is called 'tun'; did you mean 'tune'?"),
        ("board.yaml:12:", "training.batch: input should be a valid integer"),
        ("board.yaml:15:", "no metric is called 'distanse'; did you mean 'distance'?"),
        ("board.yaml:16:", "metrics.likeness.shown_in: input should be greater than 0, got 0"),
        ("board.yaml:16:", "no key is called 'metrics.likeness.digit' here; did you mean 'digits'?"),
    ]:
        assert any(line.startswith(start) and part in line for line in found), (start, part, found)
    assert found == sorted(found, key=lambda line: int(line.split(":")[1]))


def test_a_missing_key_is_named(write_board, fake_plugins):
    assert fault(write_board, fake_plugins, "title: Rings\n", "") == "board.yaml:1: 'title' is missing"


def test_a_wrong_type_says_what_was_got(write_board, fake_plugins):
    found = fault(write_board, fake_plugins, "{pairs: 4}", "{pairs: many}")
    assert found.startswith("board.yaml:13: floor.pairs: input should be a valid integer")
    assert found.endswith("got 'many'")


def test_images_that_are_no_whole_steps_are_told_the_nearest(write_board, fake_plugins):
    found = fault(write_board, fake_plugins, "\ntraining: {images: 1280}", "\ntraining: {images: 1300}")
    assert found == "board.yaml:10: training: images (1300) is not a multiple of batch (128); nearest: 1280"


def test_a_methods_own_training_is_checked_with_the_boards(write_board, fake_plugins):
    found = fault(write_board, fake_plugins, "tune:", "tune: {training: {batches: 3}}")
    assert found.startswith(
        "board.yaml:9: no key is called 'methods.tune.training.batches' here; did you mean 'batch'?"
    )


def test_a_curve_of_an_unknown_metric_names_the_boards(write_board, fake_plugins):
    found = fault(write_board, fake_plugins, "{metric: distance, p", "{metric: distances, p")
    assert "no metric of this board is called 'distances'; did you mean 'distance'? there are: distance, lik" in found


def test_a_base_needs_a_method_that_trains_from_scratch(write_board, fake_plugins):
    old = "chain: {label: Chain, model: chain, pretrain: {method: fit"
    found = fault(write_board, fake_plugins, old, old.replace("fit", "none"))
    assert found == "board.yaml:5: none cannot train from scratch; these can: fit"


def test_a_sampler_that_cannot_drive_the_model_is_a_fault(write_board, fake_plugins):
    found = fault(write_board, fake_plugins, "{label: Net,", "{label: Net, sampler: walk,")
    assert found == "board.yaml:4: net lacks Transitions, which the sampler walk needs"


def test_selection_of_the_best_needs_a_curve(write_board, fake_plugins):
    text = BOARD.replace("\ntraining: {images: 1280}", "\ntraining: {images: 1280, select: best}")
    text = text.replace("curve: {metric: distance, points: 4, samples: 100}\n", "")
    assert any(
        "select: best needs the board to have a `curve`" in line for line in faults_of(write_board(text), fake_plugins)
    )


def test_more_draws_than_the_evaluation_has_are_a_fault(write_board, fake_plugins):
    found = fault(write_board, fake_plugins, "{digits: 3}", "{digits: 3, draws: 9}")
    assert found == "board.yaml:16: draws (9) is above evaluation.draws (2)"


def test_a_repeated_key_is_a_fault(write_board, fake_plugins):
    found = fault(write_board, fake_plugins, "  tune:\n", "  tune:\n  tune:\n")
    assert found == "board.yaml:10: 'tune' is given twice; first on line 9"


def test_duplicate_cells_are_faults(write_board, fake_plugins):
    found = fault(write_board, fake_plugins, "[0, 1, 2]", "[0, 1, 0]")
    assert found == "board.yaml:11: seed 0 is given twice: its cells would be duplicates"
    found = fault(write_board, fake_plugins, "  tune:\n", "  tune:\n  again: {method: {name: tune, rate: 0.1}}\n")
    assert found == "board.yaml:10: 'again' and 'tune' have the same settings: duplicate cells"


@pytest.mark.parametrize("name", ["Net", "a b", "../up", "a__b", "-a", "a" * 61, ""])
def test_names_that_make_no_file_name_are_faults(write_board, fake_plugins, name):
    found = faults_of(write_board(BOARD.replace("  tune:\n", f"  {name!r}: {{method: tune}}\n")), fake_plugins)
    assert found[0].startswith("board.yaml:9: ")


@pytest.mark.parametrize("seeds", ["[true]", "[1000000]", "[-1]", "[0.5]"])
def test_seeds_are_whole_numbers_below_those_of_the_floor(write_board, fake_plugins, seeds):
    assert fault(write_board, fake_plugins, "seeds: [0, 1, 2]", f"seeds: {seeds}").startswith("board.yaml:")


def test_filters_of_the_board_are_checked_and_applied(write_board, fake_plugins):
    assert "no base of this board matches 'nett'; did you mean 'net'?" in fault(
        write_board, fake_plugins, "  tune:", "  tune: {only: base=nett}"
    )
    folder = write_board(BOARD.replace("  tune:", "  tune: {only: 'base=net,seed=0,1'}"))
    board = load_board(folder, plugins=fake_plugins)
    assert [cell.name for cell in board.cells if cell.method_name == "tune"] == ["net/tune/s0", "net/tune/s1"]


def test_a_selection_that_names_nothing_is_an_error(board):
    with pytest.raises(UserError, match="no method of this board matches 'tunes'; did you mean 'tune'"):
        board.select(parse_filter("method=tunes", where="--only"))
    assert [cell.name for cell in board.select(parse_filter("method=tune,seed=1", where="--only"))] == [
        "net/tune/s1",
        "chain/tune/s1",
    ]


def test_a_missing_board_names_those_nearby(write_board, fake_plugins):
    folder = write_board()
    with pytest.raises(UserError, match=r"no board there \(no board.yaml\); did you mean .*rings"):
        load_board(folder.with_name("rigns"), plugins=fake_plugins)


@pytest.mark.parametrize("text", ["- a\n- b\n", "words\n", "3\n"])
def test_a_file_that_is_no_mapping_is_an_error(write_board, fake_plugins, text):
    assert faults_of(write_board(text), fake_plugins) == [
        "board.yaml:1: a board is a mapping of keys, see docs/boards.md"
    ]


@pytest.mark.parametrize("text", ["title:\n", "title: x\nbases: []\n", "bases: {a: 3}\nmethods: 7\n", "1: 2\n"])
def test_no_mistake_is_a_traceback(write_board, fake_plugins, text):
    with pytest.raises(Faults):
        load_board(write_board(text), plugins=fake_plugins)


def keys_of(write_board, fake_plugins, text=BOARD, **options):
    return {cell.name: cell.key for cell in load_board(write_board(text), plugins=fake_plugins, **options).cells}


def test_keys_do_not_change_with_comments_order_or_labels(write_board, fake_plugins):
    before = keys_of(write_board, fake_plugins)
    text = "# a remark\n" + BOARD.replace("label: more of it, note: the control", "label: another name")
    assert keys_of(write_board, fake_plugins, text) == before
    assert len(set(before.values())) == len(before)


def test_new_settings_of_a_method_change_its_cells_only(write_board, fake_plugins):
    before = keys_of(write_board, fake_plugins)
    after = keys_of(write_board, fake_plugins, BOARD.replace("  tune:", "  tune: {method: {name: tune, rate: 0.2}}"))
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {name for name in before if "/tune/" in name}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("seeds:", "protocol: 2\nseeds:"),
        ("samples: 100, draws: 2}", "samples: 50, draws: 2}"),
        ("likeness: {digits: 3}", "likeness: {digits: 3, explodes_above: 9}"),
        ("likeness: {digits: 3}", "likeness: {digits: 3, draws: 1}"),
    ],
)
def test_what_moves_a_number_changes_every_key(write_board, fake_plugins, old, new):
    before, after = keys_of(write_board, fake_plugins), keys_of(write_board, fake_plugins, BOARD.replace(old, new))
    assert not set(before.values()) & set(after.values())


def test_another_curve_changes_the_cells_that_train(write_board, fake_plugins):
    before = keys_of(write_board, fake_plugins)
    after = keys_of(write_board, fake_plugins, BOARD.replace("points: 4", "points: 5"))
    assert {name for name in before if before[name] == after[name]} == {n for n in before if "/none/" in n}


def test_a_smoke_board_is_small_and_shares_no_key(write_board, fake_plugins):
    smoke = load_board(write_board(), smoke=True, plugins=fake_plugins)
    assert {cell.seed for cell in smoke.cells} == {0}
    assert smoke.cells[0].evaluation.samples == 64
    assert smoke.cells[1].training.steps == 8
    real = keys_of(write_board, fake_plugins)
    assert not {cell.key for cell in smoke.cells if cell.skip_reason is None} & set(real.values())


def test_cells_can_be_sent_to_other_processes(board):
    cell = board.cells[4]
    again = pickle.loads(pickle.dumps(cell))
    assert (again.name, again.key, again.finetune_key, again.sample_key) == (
        cell.name, cell.key, cell.finetune_key, cell.sample_key,
    )  # fmt: skip


def test_a_method_that_takes_whole_batches_is_skipped_where_the_board_cuts_them(write_board, fake_plugins):
    text = BOARD.replace("\ntraining: {", "\ntraining: {micro_batch: 2, ")
    assert text != BOARD
    reasons = {cell.skip_reason for cell in load_board(write_board(text), plugins=fake_plugins).cells}
    assert any(reason and "takes whole batches" in reason for reason in reasons)
