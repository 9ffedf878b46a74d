"""Cells: their names, what filters see of them, and their keys."""

import pickle
from dataclasses import replace

import pytest
from board_fixtures import BOARD

from harness.board.reading.load import load_board
from harness.board.schema import EvaluationConfig
from harness.store.keys import digest
from harness.training.rounds import RoundsConfig


def keys_of(write_board, fake_plugins, text=BOARD, **options):
    return {cell.name: cell.key for cell in load_board(write_board(text), plugins=fake_plugins, **options).cells}


@pytest.fixture
def cells(board):
    return {cell.name: cell for cell in board.cells}


def test_the_standard_boards_keys_are_those_of_its_first_records(cells):
    # Made by the code of protocol 1 of all boards. Records under other keys would be stale.
    golden = {
        "net/none/s0": ("cb362c099017ade00b42484d", "e2adb43a4748b10313051cc7", "9daf3815a7078b205d981230"),
        "net/fit/s0": ("7ae17507c2b5173aea3333fb", "d9441b5a4d50f7eb596dcc55", "804d3d416725e1486aad9fca"),
        "chain/none/s0": ("6586d49110c098c96123a37a", "690a92866a38a3f897351e64", "3b33c5574f31d0887f89595e"),
    }
    assert {name: (cells[name].finetune_key, cells[name].sample_key, cells[name].key) for name in golden} == golden


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


def test_points_in_a_round_change_the_keys_of_cells_with_several_rounds_alone(cells):
    row = cells["net/fit/s0"].row
    denser = replace(row, curve=row.curve.model_copy(update={"points_in_round": 3}))
    assert (denser.record_digest, denser.curve_points) == (row.record_digest, 5)
    rounds, dense_rounds = (
        replace(each, method=replace(each.method, settings=RoundsConfig(rounds=2, reference="best"))) for each in (row, denser)
    )
    assert dense_rounds.record_digest != rounds.record_digest
    assert (rounds.curve_points, dense_rounds.curve_points) == (5, 7)


def test_a_row_that_does_not_train_has_no_points(cells):
    assert cells["net/none/s0"].row.curve_points == 0


def test_cells_can_be_sent_to_other_processes(board):
    cell = board.cells[4]
    again = pickle.loads(pickle.dumps(cell))
    assert (again.name, again.key, again.finetune_key, again.sample_key) == (
        cell.name, cell.key, cell.finetune_key, cell.sample_key,
    )  # fmt: skip


def test_a_cell_is_called_by_base_method_size_and_seed(cells):
    row = cells["net/tune/s1"].row
    assert row.name == "net/tune"
    sized = replace(row, size=500)
    assert sized.name == "net/tune/n500"
    assert replace(cells["net/tune/s1"], row=sized).name == "net/tune/n500/s1"


def test_filters_see_base_method_seed_model_sampler_and_number_of_samples(cells):
    facts = {"base": "chain", "method": "tune", "seed": "2", "model": "chain", "sampler": "draw", "n": "100"}
    assert cells["chain/tune/s2"].facts == facts


def test_a_cell_gives_what_its_row_holds(cells):
    cell = cells["net/fit/s1"]
    names = (
        "board", "protocol", "base", "method_name", "method_label", "method", "training", "evaluation", "columns", "curve",
        "is_smoke", "skip_reason", "trains",
    )  # fmt: skip
    assert {name: getattr(cell, name) for name in names} == {name: getattr(cell.row, name) for name in names}
    assert (cell.board, cell.method_label, cell.trains) == ("rings", "more of it", True)


def test_a_method_that_does_not_train_has_the_same_weights_for_every_seed_and_other_samples(cells):
    first, second = cells["net/none/s0"], cells["net/none/s1"]
    assert first.finetune_key == second.finetune_key
    assert first.sample_key != second.sample_key
    assert cells["net/fit/s0"].finetune_key != cells["net/fit/s1"].finetune_key


def test_the_weights_of_a_method_that_does_not_train_depend_on_the_base_alone(cells):
    row = cells["net/none/s0"].row
    others = replace(row, training=cells["net/fit/s0"].training, curve=None, evaluation=EvaluationConfig(samples=7, batch=3))
    assert others.finetune_digest == row.finetune_digest


def test_the_batch_of_banks_and_curves_is_part_of_the_key_unless_it_is_the_default(cells):
    row = cells["net/fit/s0"].row

    def finetune(**evaluation):
        return replace(row, evaluation=EvaluationConfig(**evaluation)).finetune_digest

    assert finetune(samples=100, batch=10_000) == finetune(samples=50) == row.finetune_digest
    assert finetune(samples=100, batch=9_999) != row.finetune_digest


def with_evaluation(**settings):
    """The standard board's text with more settings of its evaluation."""
    more = ", ".join(f"{name}: {value}" for name, value in settings.items())
    return BOARD.replace("samples: 100, draws: 2}", f"samples: 100, draws: 2, {more}}}")


@pytest.mark.parametrize("precision", ["tf32", "bf16", "fp16"])
def test_another_precision_of_sampling_changes_every_sample_and_what_is_trained_on_samples(write_board, fake_plugins, precision):
    plain = load_board(write_board(), plugins=fake_plugins)
    other = load_board(write_board(with_evaluation(sampling_precision=precision)), plugins=fake_plugins)
    for before, after in zip(plain.cells, other.cells, strict=True):
        assert before.sample_key != after.sample_key
        assert (before.finetune_key != after.finetune_key) == before.trains


def test_the_names_of_defaults_and_how_features_are_extracted_change_no_key_of_a_board_of_points(write_board, fake_plugins):
    before = keys_of(write_board, fake_plugins)
    said = with_evaluation(sampling_precision="fp32", extraction_precision="float32", extraction_batch=16)
    assert keys_of(write_board, fake_plugins, said) == before
    assert keys_of(write_board, fake_plugins, f"{with_evaluation(extraction_precision='bf16')}deterministic: false\n") == before


def first_digest(row):
    """The digest of weights before keys said how samples were computed, and where averages begin."""
    return digest(
        stage="finetune", base=row.base.key, method=row.method.identity, training=row.training.identity,
        sampler=row.base.network.sampler.identity, curve=row._curve_identity,
    )  # fmt: skip


def test_cells_that_autocast_have_other_keys_than_when_their_samples_were_in_half_precision(cells):
    row = cells["net/fit/s0"].row
    half = replace(row, training=row.training.model_copy(update={"precision": "bf16"}))
    assert row.finetune_digest == first_digest(row)
    assert half.finetune_digest != first_digest(half)


def test_autocast_has_keys_of_its_own_since_each_pass_rounds_the_weights_and_tokens_are_exact(cells):
    row = cells["net/fit/s0"].row
    half = replace(row, training=row.training.model_copy(update={"precision": "bf16"}))
    as_before = digest(
        stage="finetune", base=half.base.key, method=half.method.identity, training=half.training.identity,
        sampler=half.base.origin.recorded_sampler.identity, curve=half._curve_identity, sampling="float32",
    )  # fmt: skip
    assert half.finetune_digest != as_before
    base = row.base.origin
    half_base = replace(base, training=base.training.model_copy(update={"precision": "bf16"}))
    assert base.identity == base.last_step
    assert half_base.identity != half_base.last_step


def test_cells_of_several_rounds_with_an_average_have_other_keys_than_when_it_went_on_over_all_rounds(cells):
    row = cells["net/fit/s0"].row

    def rounds_of(rounds, ema):
        method = replace(row.method, settings=RoundsConfig(rounds=rounds))
        return replace(row, method=method, training=row.training.model_copy(update={"ema": ema}))

    for same in (rounds_of(1, 0.9), rounds_of(2, None)):
        assert same.finetune_digest == first_digest(same)
    averaged = rounds_of(2, 0.9)
    assert averaged.finetune_digest != first_digest(averaged)


def test_a_skipped_cell_has_another_record_and_the_same_samples(cells):
    cell = cells["net/tune/s0"]
    skipped = replace(cell, row=replace(cell.row, skip_reason="the model lacks Transitions"))
    assert skipped.sample_key == cell.sample_key
    assert skipped.key != cell.key


def test_a_smoke_run_is_no_part_of_the_key(cells):
    cell = cells["net/tune/s0"]
    assert replace(cell, row=replace(cell.row, is_smoke=True)).key == cell.key
