from dataclasses import replace

import pytest

from harness.errors import Faults, UserError
from harness.report.collect import collect_published
from harness.report.method_ranks import rank_methods
from harness.report.table import Table

PLAIN_CHAIN = ("tune:\n", "tune: {method: fit, training: {images: 2560}}\n")
"""Makes the third method one that every base can run."""


@pytest.fixture
def whole(load, publish_records):
    board = load(PLAIN_CHAIN)
    publish_records(board)
    return Table.from_collection(collect_published(board))


def test_methods_are_ranked_on_each_base_and_the_best_comes_first(whole):
    ranked = rank_methods([whole])
    # A later method has smaller distances on both bases.
    assert ranked.methods == ("tune", "more of it", "base")
    assert ranked.blocks == ("rings, net", "rings, chain")
    assert ranked.ranks.means.tolist() == [1.0, 2.0, 3.0]


def test_a_method_that_lacks_a_seed_of_the_others_does_not_count(load, publish_records):
    board = load(("tune:\n", "tune: {method: fit, training: {images: 2560}, only: 'seed=0,1'}\n"))
    publish_records(board)
    with pytest.raises(Faults) as found:
        rank_methods([Table.from_collection(collect_published(board))])
    assert "left out: rings, net: tune has 2 of the 3 seeds that the base's rows have" in str(found.value)


def test_rows_that_have_the_same_seeds_count_also_where_the_board_has_more(load, publish_records):
    board = load(PLAIN_CHAIN, ("chain: {label: Chain, ", "chain: {label: Chain, only: 'seed=0,1', "))
    publish_records(board)
    ranked = rank_methods([Table.from_collection(collect_published(board))])
    assert (ranked.methods, ranked.left_out) == (("tune", "more of it", "base"), ())


def test_the_direction_of_the_column_counts(whole):
    assert rank_methods([whole], "likeness").methods == ("base", "more of it", "tune")


def test_with_two_bases_nothing_is_told_apart_and_all_are_one_group(whole):
    ranked = rank_methods([whole])
    assert ranked.ranks.critical_difference > 2
    assert ranked.groups == [ranked.methods]


def test_a_copy_of_a_board_is_refused_since_it_would_count_as_other_bases(whole):
    with pytest.raises(UserError) as found:
        rank_methods([whole, _renamed(whole, "mine")])
    assert str(found.value) == (
        "rings, net and mine, net have the same values, so one is a copy of the other; name one of the two"
    )


def test_with_many_bases_neighbours_are_groups(whole):
    ranked = rank_methods([whole])
    many = rank_methods([_shifted(whole, number) for number in range(5)])
    assert many.ranks.told_apart(0, 2)
    assert many.groups == [("tune", "more of it"), ("more of it", "base")]
    assert many.ranks.critical_difference < ranked.ranks.critical_difference


def test_named_bases_alone_count(whole):
    others = [_shifted(whole, number) for number in range(2)]
    assert rank_methods(others, bases=["net"]).blocks == ("rings0, net", "rings1, net")


def test_a_base_that_no_board_has_is_named(whole):
    with pytest.raises(UserError, match=r"^board rings: no base is called 'nett'; .*'net'.*: chain, net$"):
        rank_methods([whole], bases=["net", "nett"])


def test_boards_of_one_name_are_refused(whole):
    elsewhere = replace(whole, board=replace(whole.board, folder=whole.board.folder.parent / "elsewhere" / whole.board.name))
    with pytest.raises(UserError, match=r"two boards are named 'rings': .* and .*elsewhere.*; give one folder another name"):
        rank_methods([whole, elsewhere])
    with pytest.raises(UserError, match=r"is given twice; name each board once"):
        rank_methods([whole, whole])


def _renamed(table, name):
    return replace(table, board=replace(table.board, name=name))


def _shifted(table, number):
    """Another board, whose values are all larger by the number."""
    rows = [
        replace(
            row,
            values={name: [None if one is None else one + number for one in seeds] for name, seeds in row.values.items()},
        )
        for row in table.rows
    ]
    return replace(_renamed(table, f"rings{number}"), rows=tuple(rows))


def test_what_is_not_whole_everywhere_is_left_out_and_said(table):
    with pytest.raises(Faults) as error:
        rank_methods([table])  # `tune` cannot run on the second base
    assert error.value.faults == (
        "ranks need 3 methods on 2 bases at least: 2 methods are whole on all 2 bases",
        "left out: tune: has no whole row at rings, chain",
    )


def test_one_method_is_one(load, publish_records):
    other = "tune: {method: fit, training: {images: 2560}, only: base=chain}\n"
    board = load(("note: the control}", "note: the control, only: base=net}"), ("tune:\n", other))
    publish_records(board)
    with pytest.raises(UserError, match="1 method is whole on all 2 bases\n"):
        rank_methods([Table.from_collection(collect_published(board))])


def test_a_column_that_a_board_lacks_is_refused(whole):
    with pytest.raises(UserError, match="board rings: no column that ranks is called 'fid'"):
        rank_methods([whole], "fid")
