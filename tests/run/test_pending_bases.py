import pytest
from board_fixtures import BOARD

from harness.board.reading.load import load_board
from harness.run.pending_bases import pending_bases, waited_for
from harness.store import outputs
from harness.store.runs_folder import RunsFolder

SEEDS = BOARD.replace("images: 1280}}}\n  chain", "images: 1280}, seeds: [4, 5, 6]}}\n  chain")
STEPS = BOARD.replace(
    "net, pretrain: {method: fit, training: {images: 1280}}}\n  chain",
    "net, pretrain: [{method: fit, training: {images: 1280}, seed: 9}, "
    "{method: fit, training: {images: 640}, seeds: [4, 5, 6]}]}\n  chain",
)


@pytest.fixture
def runs(tmp_path):
    return RunsFolder(tmp_path / "runs")


@pytest.fixture
def load(write_board, fake_plugins):
    return lambda text: load_board(write_board(text), plugins=fake_plugins)


def train(runs, base, seconds):
    outputs.once(runs, "base", base.key, lambda _: {"seconds": seconds})


def names(pending):
    return [(each.base.full_name, each.seconds) for each in pending]


def test_bases_that_are_not_trained_are_pending_for_the_cells_that_start_from_them(board, runs):
    chain = [cell for cell in board.cells if cell.base.name == "chain"]
    assert names(pending_bases(board, board.cells, runs)) == [("net", None), ("chain", None)]
    assert names(pending_bases(board, chain, runs)) == [("chain", None)]
    train(runs, chain[0].base, 9.0)
    assert names(pending_bases(board, board.cells, runs)) == [("net", None)]
    assert names(pending_bases(board, chain, runs)) == []
    assert names(pending_bases(board, chain, runs, anew=True)) == [("chain", 9.0)]


def test_a_base_takes_what_its_other_seeds_took(load, runs):
    board = load(SEEDS)
    for base, seconds in zip(board.bases[:2], (10.0, 20.0), strict=True):
        train(runs, base, seconds)
    assert names(pending_bases(board, board.cells, runs)) == [("net of seed 6", 15.0), ("chain", None)]


def test_trainings_elsewhere_tell_what_a_base_takes_and_those_here_tell_better(load, runs):
    board = load(SEEDS)
    first, second = board.bases[:2]
    took = {first.key: 30.0}
    assert names(pending_bases(board, board.cells, runs, there=took, took=took))[:2] == [
        ("net of seed 5", 30.0),
        ("net of seed 6", 30.0),
    ]
    train(runs, first, 10.0)
    assert names(pending_bases(board, board.cells, runs, took=took))[:2] == [("net of seed 5", 10.0), ("net of seed 6", 10.0)]
    train(runs, second, 20.0)
    assert names(pending_bases(board, board.cells, runs, took=took))[:1] == [("net of seed 6", 15.0)]


def test_a_cell_waits_for_its_base_and_the_steps_before_it(load, runs):
    board = load(STEPS)
    pending = pending_bases(board, board.cells, runs)
    of_net, of_chain = (next(cell for cell in board.cells if cell.base.name == name) for name in ("net", "chain"))
    assert [each.base.key for each in waited_for(of_net, pending)] == [of_net.base.key, of_net.base.origin.after.key]
    assert [each.base.name for each in waited_for(of_chain, pending)] == ["chain"]


def test_a_cell_waits_for_no_earlier_step_of_a_base_that_is_trained_to_its_end(load, runs):
    """Another base may wait for the same step, as where two names share a tokenizer."""
    board = load(STEPS)
    last, other = board.bases[0], board.bases[1]
    assert last.origin.after.key == other.origin.after.key
    train(runs, last, 1.0)
    pending = pending_bases(board, board.cells, runs)
    of_last, of_other = (next(cell for cell in board.cells if cell.base.key == base.key) for base in (last, other))
    assert waited_for(of_last, pending) == []
    assert [each.base.key for each in waited_for(of_other, pending)] == [other.key, other.origin.after.key]


def test_what_will_be_copied_is_not_trained(board, runs):
    there = {base.key for base in board.bases if base.name == "net"}
    assert names(pending_bases(board, board.cells, runs, there=there)) == [("chain", None)]


def test_the_steps_before_the_last_are_trainings_of_their_own_and_a_shared_one_is_one(load, runs):
    board = load(STEPS)
    shared = board.bases[0].origin.after
    assert [each.base.key for each in pending_bases(board, board.cells, runs)].count(shared.key) == 1
    assert len(pending_bases(board, board.cells, runs)) == 5  # three seeds, the step, and the chain
    train(runs, shared, 7.0)
    train(runs, board.bases[0], 3.0)
    assert [each.seconds for each in pending_bases(board, board.cells, runs)] == [3.0, 3.0, None]


def test_a_base_whose_last_step_is_there_needs_none_of_the_earlier_ones(load, runs):
    board = load(STEPS)
    for base in board.bases:
        train(runs, base, 1.0)
    assert pending_bases(board, board.cells, runs) == []


def test_a_base_takes_what_its_other_seeds_took_also_where_names_share_it(load, runs):
    """On fashion-t10 seven names share a training, and its seconds counted for the last of them alone."""
    twin = SEEDS.replace("  chain: {label: Chain, model: chain", "  twin: {label: Twin, model: net")
    board = load(twin.replace("images: 1280}}}\nmethods", "images: 1280}, seeds: [4, 5, 6]}}\nmethods"))
    train(runs, board.bases[0], 10.0)
    assert names(pending_bases(board, board.cells, runs)) == [("net of seed 5", 10.0), ("net of seed 6", 10.0)]
