"""Samplers of the evaluation: rows of one training."""

import pytest
from board_faults import faults_of
from board_fixtures import BOARD

from harness.board.filters import parse_filter
from harness.board.reading.load import load_board

SAMPLERS = "{plain: draw, walking: {name: walk, label: Walk}, push: {name: push, label: Push, sweep: {weight: [0, 0.5, 2]}}}"
NAMES = ["plain", "walking", "push-0", "push-0.5", "push-2"]
GUIDED = "samplers: {alone: ascent, led: {name: guided, guide: small}}"
SMALL = "small: {model: {name: unet, width: 4}, pretrain: {method: parts, training: {images: 128}}}"


def with_samplers(samplers=SAMPLERS, text=BOARD):
    return text.replace("samples: 100, draws: 2}", f"samples: 100, draws: 2, samplers: {samplers}}}")


@pytest.fixture
def load(write_board, fake_plugins):
    """Loads the standard board with samplers, and with parts of its text replaced."""

    def load(samplers=SAMPLERS, *changes, **options):
        text = with_samplers(samplers)
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        return load_board(write_board(text), plugins=fake_plugins, **options)

    return load


@pytest.fixture
def found(write_board, fake_plugins):
    """The faults of the standard board with other samplers."""
    return lambda samplers: faults_of(write_board(with_samplers(samplers)), fake_plugins)


def test_a_board_has_all_rows_for_each_sampler_in_its_order(load):
    board = load()
    assert [cell.name for cell in board.cells[::18]] == [f"net/none/{name}/s0" for name in NAMES]
    assert len(board.cells) == 5 * 2 * 3 * 3
    assert [sampler.name for sampler in board.samplers] == NAMES
    assert {cell.row.size for cell in board.cells} == {None}


def test_rows_of_several_samplers_share_one_training_and_no_samples(load):
    cells = [cell for cell in load().cells if cell.base.name == "net" and cell.method_name == "fit" and cell.seed == 1]
    assert len(cells) == 5
    assert len({cell.finetune_key for cell in cells}) == 1
    assert len({cell.sample_key for cell in cells}) == len({cell.key for cell in cells}) == 5


def test_no_training_depends_on_the_samplers_of_the_evaluation(load, board):
    trained = {cell.finetune_key for cell in board.cells}
    assert {cell.finetune_key for cell in load().cells} == trained


def test_keys_hold_no_name_so_the_bases_own_sampler_under_a_name_gives_the_keys_of_a_board_without(load, board):
    named = load("{anything: draw}").cells
    assert [cell.key for cell in named] == [cell.key for cell in board.cells]
    assert [cell.name for cell in named[:2]] == ["net/none/anything/s0", "net/none/anything/s1"]


def test_a_sampler_whose_needs_the_model_lacks_skips_its_rows_alone(load):
    reasons = {cell.row.name: cell.skip_reason for cell in load().cells}
    assert reasons["net/fit/walking"] == "net lacks Transitions, which the sampler walk needs"
    assert reasons["net/fit/plain"] is reasons["chain/fit/walking"] is None
    assert reasons["chain/tune/walking"] == "chain lacks Likelihood, which tune needs", "why the training cannot run comes first"


def test_a_sweep_makes_a_sampler_of_each_number(load):
    samplers = {sampler.name: sampler for sampler in load().samplers}
    half = samplers["push-0.5"]
    assert (half.label, half.sampler.settings.weight) == ("Push, weight 0.5", 0.5)
    assert (half.point.sweep, half.point.label, half.point.setting, half.point.value) == ("push", "Push", "weight", 0.5)
    assert (samplers["walking"].label, samplers["plain"].label, samplers["plain"].point) == ("Walk", "plain", None)


def test_sizes_and_samplers_both_stand_in_the_names(load):
    board = load(SAMPLERS, ("{samples: 100, draws", "{sizes: [200, 50], draws"))
    names = [cell.name for cell in board.cells if cell.method_name == "none" and cell.base.name == "net" and cell.seed == 0]
    assert names == [f"net/none/n{size}/{name}/s0" for size in (200, 50) for name in NAMES]
    assert [floor.name for floor in board.floors] == ["distance__n200", "likeness__n200", "distance__n50", "likeness__n50"]


def test_a_smoke_run_has_all_samplers(load):
    board = load(smoke=True)
    assert [sampler.name for sampler in board.samplers] == NAMES
    assert {cell.seed for cell in board.cells} == {0}


def test_data_in_the_place_of_a_model_are_measured_once(load):
    board = load(SAMPLERS, ("bases:\n", "bases:\n  real: {data: ring, only: method=none}\n"))
    assert [cell.name for cell in board.cells if cell.base.name == "real"] == ["real/none/s0", "real/none/s1", "real/none/s2"]


def test_filters_choose_samplers(load):
    board = load()
    chosen = board.select(parse_filter("base=net,method=fit,seed=0,sampler=push-*", where="--only"))
    assert [cell.name for cell in chosen] == ["net/fit/push-0/s0", "net/fit/push-0.5/s0", "net/fit/push-2/s0"]


def test_a_sampler_and_a_method_may_keep_some_of_their_cells(load):
    samplers = "{plain: draw, push: {name: push, only: method=fit, sweep: {weight: [0, 1]}}}"
    board = load(samplers, ("  tune:", "  tune: {only: sampler=plain}"))
    rows = dict.fromkeys(cell.row.name for cell in board.cells if cell.base.name == "net")
    assert list(rows) == ["net/none/plain", "net/fit/plain", "net/tune/plain", "net/fit/push-0", "net/fit/push-1"]


@pytest.mark.parametrize(
    ("samplers", "message"),
    [
        ("{plain: drew}", "no sampler is called 'drew'; did you mean 'draw'? installed: draw, push, walk"),
        ("{a: draw, b: draw}", "'b' and 'a' have the same settings: duplicate cells"),
        ("{push: {name: push, sweep: {weight: [1, 2]}}, other: {name: push, weight: 2}}",
         "'other' and 'push-2' have the same settings: duplicate cells"),
        ("{push: {name: push, sweep: {weight: [1, 2]}}, push-2: {name: push, weight: 3}}",
         "there are two samplers 'push-2': their cells would have the same names"),
    ],
)  # fmt: skip
def test_a_sampler_that_cannot_be_is_a_fault_with_its_line(found, samplers, message):
    assert found(samplers) == [f"board.yaml:12: {message}"]


@pytest.mark.parametrize(
    ("push", "message"),
    [
        ("sweep: {weight: [1, -1]}", "must be at least 0, got -1.0"),
        ("sweep: {wait: [1, 2]}", "did you mean 'weight'?"),
        ("sweep: {weight: [1]}", "at least 2"),
        ("sweep: {weight: [1, 1.0]}", "sweep has a number of weight twice: [1.0, 1.0]"),
        ("weight: 1, sweep: {weight: [1, 2]}", "has weight and a sweep of it: keep one of the two"),
        ("sweep: {weight: [1, 2], other: [1, 2]}", "must have at most 1 entry"),
        ("sweep: {}", "must have at least 1 entry, and has 0"),
        ("sweep: {weight: [true, 2]}", "expected a number"),
    ],
)
def test_a_sweep_that_cannot_be_is_a_fault_with_its_line(found, push, message):
    faults = found(f"{{push: {{name: push, {push}}}}}")
    assert any(message in fault for fault in faults), faults
    assert all(fault.startswith("board.yaml:12: ") for fault in faults)


def test_names_of_points_are_names(load):
    samplers = load("{push: {name: push, sweep: {weight: [1.0e+6, 1.0e-5, 1.25]}}}").samplers
    assert [sampler.name for sampler in samplers] == ["push-1000000", "push-1e-05", "push-1.25"]


def test_components_are_checked_beside_other_faults_of_the_file(write_board, fake_plugins):
    text = with_samplers("{push: {name: push, label: Push, weigth: 1}}").replace("title: Rings", "titel: Rings")
    faults = faults_of(write_board(text), fake_plugins)
    assert any("weigth" in fault and "weight" in fault for fault in faults)
    assert not any("label" in fault for fault in faults)


def test_a_sampler_holds_the_bases_that_its_settings_name(grids):
    board = grids(("{samples: 100}", f"{{samples: 100, {GUIDED}}}"), ("methods:", f"  {SMALL}\nmethods:"))
    net, small = board.bases
    rows = {cell.row.name: cell.row for cell in board.cells}
    assert rows["net/none/led"].sampler.bases == (small,)
    assert rows["net/none/led"].sampler.identity["bases"] == {"small": small.key}
    assert rows["net/none/alone"].sampler.bases == net.network.sampler.bases == ()


def test_a_sampler_that_names_no_base_is_a_fault(grid_faults):
    faults = grid_faults(("{samples: 100}", f"{{samples: 100, {GUIDED}}}"))
    assert faults == ["board.yaml:7: no base of this board is called 'small'; there are: net"]


TWO = "pretrain: {method: parts, seeds: [0, 1], training: {images: 256}}"
ONE = "pretrain: {method: parts, training: {images: 256}}"


def guided_rows(grids, small, net=TWO):
    """The rows of a board of two seeds whose sampler `led` calls the base `small`, one for each cell."""
    small = f"small: {{model: {{name: unet, width: 4}}, {small}}}"
    board = grids(
        ("{samples: 100}", f"{{samples: 100, {GUIDED}}}"), (ONE, net), ("methods:", f"  {small}\nmethods:"), ("[0]", "[0, 1]")
    )
    return [cell.row for cell in board.cells if cell.row.name == "net/none/led"]


def test_a_guide_of_several_seeds_is_paired_with_the_seeds_of_the_base(grids):
    first, second = guided_rows(grids, TWO)
    assert [row.sampler.bases[0].paired_seed for row in (first, second)] == [0, 1]
    assert first.sample_digest != second.sample_digest
    first, second = guided_rows(grids, ONE)
    assert first.sampler.bases == second.sampler.bases


def test_a_guide_of_another_number_of_seeds_skips_the_rows_of_the_base(grids):
    reasons = {row.skip_reason for row in guided_rows(grids, TWO, net=ONE)}
    assert reasons == {"the base 'small' has 2 seeds, and 'net' has 1"}
