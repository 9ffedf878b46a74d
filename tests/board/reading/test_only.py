"""The `only` of bases and methods."""

import pytest
from board_faults import fault, faults_of
from board_fixtures import BOARD

from harness.board.reading.load import load_board


@pytest.fixture
def names(write_board, fake_plugins):
    """The cells of the standard board with changes."""

    def read(*changes, **options):
        text = BOARD
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        return [cell.name for cell in load_board(write_board(text), plugins=fake_plugins, **options).cells]

    return read


def test_filters_of_the_board_are_checked_and_applied(write_board, fake_plugins, names):
    assert "no base of this board matches 'nett'; did you mean 'net'?" in fault(
        write_board, fake_plugins, "  tune:", "  tune: {only: base=nett}"
    )
    cells = names(("  tune:", "  tune: {only: 'base=net,seed=0,1'}"))
    assert [name for name in cells if "/tune/" in name] == ["net/tune/s0", "net/tune/s1"]


def test_a_method_says_nothing_about_the_cells_of_others(names):
    cells = names(("  tune:", "  tune: {only: seed=0}"))
    assert len([name for name in cells if "/none/" in name]) == 6


def test_a_base_filters_its_own_cells(names):
    cells = names(("chain: {label: Chain,", "chain: {label: Chain, only: method=none,"))
    assert [name for name in cells if name.startswith("chain")] == ["chain/none/s0", "chain/none/s1", "chain/none/s2"]
    assert len([name for name in cells if name.startswith("net")]) == 9


def test_filters_of_base_and_method_must_both_hold(names):
    cells = names(("chain: {label: Chain,", "chain: {label: Chain, only: seed=0,"), ("  tune:", "  tune: {only: seed!=0}"))
    assert [name for name in cells if name.startswith("chain")] == ["chain/none/s0", "chain/fit/s0"]


def test_several_filters_of_one_entry_must_all_hold(names):
    cells = names(("  tune:", "  tune: {only: [base=net, seed=2]}"))
    assert [name for name in cells if "/tune/" in name] == ["net/tune/s2"]


def test_a_base_without_cells_is_no_base_of_the_board(write_board, fake_plugins):
    text = BOARD.replace("chain: {label: Chain,", "chain: {label: Chain, only: base=net,")
    assert [base.name for base in load_board(write_board(text), plugins=fake_plugins).bases] == ["net"]


def test_filters_may_name_seeds_and_sizes_that_a_smoke_run_leaves_out(names):
    sizes = ("{samples: 100, draws: 2}", "{sizes: [100, 200]}")
    cells = names(("  tune:", "  tune: {only: 'seed!=2,n!=200'}"), sizes, smoke=True)
    assert "net/tune/n64/s0" in cells


def test_what_is_no_filter_is_a_fault_with_its_line(write_board, fake_plugins):
    text = BOARD.replace("  tune:", "  tune: {only: net}").replace("{label: base}", "{label: base, only: bass=net}")
    first, second = faults_of(write_board(text), fake_plugins)
    assert first.startswith("board.yaml:7: no filter key is called 'bass'; did you mean 'base'?")
    assert second.startswith("board.yaml:9: 'net' is not a filter; write key=value")


@pytest.mark.parametrize("only", ["''", "[]", "' '", "[base=net, '']"])
@pytest.mark.parametrize("entry", ["  tune:", "{label: Net,"])
def test_an_empty_filter_is_a_fault(write_board, fake_plugins, entry, only):
    new = f"  tune: {{only: {only}}}" if entry == "  tune:" else f"{{label: Net, only: {only},"
    (found,) = faults_of(write_board(BOARD.replace(entry, new)), fake_plugins)
    assert "only: is an empty filter: leave `only` out to keep all cells, or write `base=*`" in found


def test_a_board_without_cells_is_a_fault_that_names_the_line_of_each_filter(write_board, fake_plugins):
    text = BOARD.replace("{label: Net,", "{label: Net, only: seed!=*,").replace("{label: Chain,", "{label: Chain, only: seed!=*,")
    fault = "no cell is left: the `only` filters of the board together exclude everything"
    assert faults_of(write_board(text), fake_plugins) == [f"board.yaml:{line}: {fault}" for line in (4, 5)]
