import pytest

from harness.errors import UserError
from harness.report.collect import collect_published
from harness.report.comparison import compare, values_by_seed
from harness.report.comparison_text import comparison_numbers, comparison_rows, explanation
from harness.report.table import Table
from harness.statistics.paired import paired_difference
from harness.store.board_folder import BoardFolder
from harness.store.record_names import RecordName
from harness.store.records import Measured


@pytest.fixture
def table_of(load, publish_records):
    """Publishes the standard board with the values of some rows, one a seed; returns its table."""

    def table_of(*changes, **values_of_rows):
        board = load(*changes)
        publish_records(board)
        for cell in board.cells:
            values = values_of_rows.get(cell.row.name.replace("/", "_"))
            if values is not None:
                value = values[cell.seed]
                metrics = {"distance": Measured(values=[value] * 2), "likeness": Measured(values=[min(value, 1.0)] * 2)}
                publish_records(board, [cell], metrics=metrics)
        return Table.from_collection(collect_published(board))

    return table_of


def test_methods_are_compared_on_each_base_in_each_column_that_ranks(table):
    found = [(each.first.base, each.first.method, each.second.method, each.column.name) for each in compare(table, "fit", "none")]
    assert found == [(base, "fit", "none", column) for column in ("distance", "likeness") for base in ("net", "chain")]


def test_a_method_goes_by_its_label_too_and_a_row_by_its_full_name(table):
    assert [each.first.method for each in compare(table, "more of it", "none", ["distance"])] == ["fit", "fit"]
    (across,) = compare(table, "net/fit", "chain/none", ["distance"])
    assert (across.first.base, across.second.base) == ("net", "chain")


def test_the_difference_is_the_paired_test_of_the_seeds(table_of):
    tuned, base = [0.04, 0.03, 0.05], [0.05, 0.06, 0.055]
    (found,) = compare(table_of(net_tune=tuned, net_none=base), "net/tune", "net/none", ["distance"])
    assert found.difference == paired_difference(tuned, base)
    assert list(values_by_seed(found)) == list(zip((0, 1, 2), tuned, base, strict=True))
    assert found.bootstrap is not None
    assert found.bootstrap[0] < found.difference.mean < found.bootstrap[1]


def test_a_seed_that_one_row_alone_has_changes_no_comparison(table_of):
    """Its large value hid the spread of the seeds that both have."""
    table = table_of(net_tune=[0.010, 0.020, 1e6], net_none=[0.013, 0.022, 0.03])
    board = table.board
    (lacking,) = [cell for cell in board.cells if cell.name == "net/none/s2"]
    BoardFolder(board.folder).record(RecordName("cell", lacking.name)).unlink()
    (found,) = compare(Table.from_collection(collect_published(board)), "net/tune", "net/none", ["distance"])
    assert found.difference == paired_difference([0.010, 0.020], [0.013, 0.022])
    assert found.pairs_to_tell is not None


def test_rows_that_differ_by_rounding_alone_have_no_bootstrap_beside_their_zero(table_of):
    (found,) = compare(
        table_of(net_tune=[1.0] * 3, net_none=[1 - 5e-6, 1 - 9e-6, 1 - 7e-6]), "net/tune", "net/none", ["distance"]
    )
    assert (found.difference.mean, found.difference.interval, found.difference.p) == (0.0, (0.0, 0.0), 1.0)
    assert (found.bootstrap, found.pairs_to_tell) == (None, None)


def test_p_is_adjusted_for_all_comparisons_of_the_call(table_of):
    table = table_of(net_tune=[0.048, 0.049, 0.051], net_none=[0.05, 0.053, 0.054])
    (alone,) = compare(table, "net/tune", "net/none", ["distance"])
    assert alone.adjusted_p == alone.difference.p
    both = compare(table, "net/tune", "net/none", ["distance", "likeness"])
    assert [each.adjusted_p for each in both] == pytest.approx([2 * alone.difference.p] * 2)


@pytest.mark.parametrize(("first", "second"), [("tune", "none"), ("none", "tune")])
def test_the_better_row_is_named_in_either_order_and_direction(table, first, second):
    by_column = {each.column.name: each for each in compare(table, f"net/{first}", f"net/{second}")}
    assert by_column["distance"].better.method == "tune"  # lower is better
    assert by_column["likeness"].better.method == "none"


def test_rows_that_are_not_told_apart_say_how_many_seeds_would_tell_them(table_of):
    table = table_of(net_tune=[0.050, 0.052, 0.053], net_none=[0.051, 0.050, 0.055])
    (found,) = compare(table, "net/tune", "net/none", ["distance"])
    (line,) = comparison_rows(table, [found])
    assert (line["finding"], line["seeds to tell"]) == ("not told apart", str(found.pairs_to_tell))
    assert found.pairs_to_tell > 3


def test_a_pair_that_shares_too_few_seeds_has_no_test_and_says_why(table_of):
    table = table_of(("  tune:\n", "  tune: {only: 'seed=2'}\n"))
    comparisons = compare(table, "tune", "none", ["distance"])
    lines = comparison_rows(table, comparisons)
    assert [line["finding"] for line in lines] == [
        "too few shared seeds",
        "chain/tune skipped: chain lacks Likelihood, which tune needs",
    ]
    assert [line["seeds"] for line in lines] == ["1", "0"]
    assert lines[0]["first"] != "-"
    numbers = comparison_numbers(table, comparisons)["comparisons"]
    assert (numbers[0]["n"], numbers[1]["n"]) == (1, 0)
    assert {line["p"] for line in lines} == {"-"}
    assert "adjusted for the tests here (0)" in explanation(table, comparisons)[1]


def test_a_row_does_not_win_by_the_seeds_that_diverged(load, publish_records):
    board = load(("seeds: [0, 1, 2]", "seeds: [0, 1, 2, 3, 4, 5, 6]"))
    publish_records(board)
    (cell,) = [cell for cell in board.cells if cell.name == "net/tune/s1"]
    publish_records(board, [cell], status="diverged", metrics={})
    table = Table.from_collection(collect_published(board))
    (found,) = compare(table, "net/tune", "net/none", ["distance"])
    assert found.adjusted_p is not None
    assert found.adjusted_p < 0.05
    assert found.better is None
    assert comparison_rows(table, [found])[0]["finding"] == "none: net/tune diverged 1/7"


def test_numbers_are_unrounded_and_hold_each_seed(table):
    (found,) = compare(table, "net/tune", "net/none", ["distance"])
    numbers = comparison_numbers(table, [found])["comparisons"][0]
    assert numbers["difference"] == found.difference.mean
    assert [each["seed"] for each in numbers["seeds"]] == [0, 1, 2]
    assert numbers["better"] == "net/tune"


def test_a_label_that_does_not_say_which_row_is_meant_has_the_name_beside_it(table):
    (line,) = comparison_rows(table, compare(table, "net/tune", "net/none", ["distance"]))
    assert line["finding"] == "tune is better"
    (line,) = comparison_rows(table, compare(table, "net/none", "chain/fit", ["likeness"]))
    assert line["finding"] == "base (net/none) is better"


@pytest.fixture
def table_of_a_grid(table_of):
    return table_of(("  tune:\n", "  tune: {method: {name: tune, rate: {grid: [0.0001, 0.5]}}}\n"))


def test_a_grid_means_all_of_its_points_and_numbers_are_compared_as_numbers(table_of_a_grid):
    found = compare(table_of_a_grid, "tune", "none", ["distance"])
    assert {each.first.method for each in found} == {"tune[rate=0.0001]", "tune[rate=0.5]"}
    found = compare(table_of_a_grid, "tune[rate=1e-4]", "tune[rate=5e-1]", ["distance"])
    assert {(each.first.method, each.second.method) for each in found} == {("tune[rate=0.0001]", "tune[rate=0.5]")}
    (across,) = compare(table_of_a_grid, "net/tune[rate=1e-4]", "chain/none", ["distance"])
    assert across.first.method == "tune[rate=0.0001]"
    with pytest.raises(UserError, match=r"net/tune means 2 rows: net/tune\[rate=0.0001\], net/tune\[rate=0.5\]; name one"):
        compare(table_of_a_grid, "net/tune", "net/none")


@pytest.mark.parametrize(
    ("first", "second", "metrics", "fault"),
    [
        ("tuna", "none", (), "board rings: no method is called 'tuna'; did you mean 'tune'?"),
        ("net/tuna", "net/none", (), "board rings: no row is called 'net/tuna'"),
        ("fit", "fit", (), "fit and fit are the same row"),
        ("net/fit", "none", ("distanze",), "--metric: no metric is called 'distanze'; did you mean 'distance'?"),
    ],
)
def test_wrong_names_are_one_line(table, first, second, metrics, fault):
    with pytest.raises(UserError) as error:
        compare(table, first, second, metrics)
    assert str(error.value).startswith(fault)


def test_methods_of_different_bases_are_compared_only_by_full_names(table_of):
    table = table_of(("note: the control}", "note: the control, only: base=net}"), ("  tune:\n", "  tune: {only: base=chain}\n"))
    with pytest.raises(UserError, match="share no base; BASE/METHOD twice compares across bases"):
        compare(table, "fit", "tune")
