import pytest

from harness.board.filters import KEYS, Filter, parse_filter, seeds_in_range
from harness.errors import UserError

CELLS = [
    {"base": base, "method": method, "seed": str(seed), "model": "mlp", "sampler": "heun", "n": "500"}
    for base in ("ddpm", "edm")
    for method in ("none", "ddo", "sft-b", "sft-gp")
    for seed in (0, 1)
]


def kept(*texts):
    chosen = parse_filter(list(texts), where="--only")
    return {f"{cell['base']}/{cell['method']}/{cell['seed']}" for cell in CELLS if chosen.keeps(cell)}


def test_values_are_alternatives_and_keys_must_all_agree():
    assert kept("method=ddo,none,base=edm,seed=0") == {"edm/ddo/0", "edm/none/0"}


def test_several_filters_must_all_hold():
    assert kept("method=ddo,none", "base=edm", "seed!=1") == kept("method=ddo,none,base=edm,seed=0")


def test_a_negated_list_keeps_what_is_none_of_them():
    assert kept("method!=ddo,none,base=edm,seed=0") == {"edm/sft-b/0", "edm/sft-gp/0"}


def test_patterns_match_whole_names():
    assert kept("method=sft-*,base=d?pm,seed=0") == {"ddpm/sft-b/0", "ddpm/sft-gp/0"}
    assert kept("method=sft") == set()


def test_spaces_do_not_matter():
    assert kept(" method = ddo , none , seed != 1 ") == kept("method=ddo,none,seed!=1")


def test_the_empty_filter_keeps_everything():
    assert len(kept()) == len(CELLS)
    assert Filter().keeps(CELLS[0])


def test_every_key_can_be_filtered_by():
    assert set(CELLS[0]) == set(KEYS)
    for key, value in CELLS[0].items():
        assert parse_filter(f"{key}={value}", where="--only").keeps(CELLS[0])
        assert not parse_filter(f"{key}!={value}", where="--only").keeps(CELLS[0])


def test_the_conditions_of_two_filters_add_up():
    both = parse_filter("base=edm", where="board.yaml:3") & parse_filter("seed=1", where="--seeds")
    assert both == parse_filter("base=edm,seed=1", where="--only")


def test_a_value_may_hold_an_equals_sign():
    assert parse_filter("method=beta=1", where="--only").terms[0].values == ("beta=1",)


@pytest.mark.parametrize("text", ["", "ddo", "=ddo", "method=", "method=ddo,", ",method=ddo", "method=a,,b"])
def test_what_is_no_filter_is_told_what_one_looks_like(text):
    with pytest.raises(UserError, match=r"--only: .*is not a filter; write key=value"):
        parse_filter(text, where="--only")


def test_an_unknown_key_is_told_the_nearest():
    with pytest.raises(UserError, match="no filter key is called 'metod'; did you mean 'method'"):
        parse_filter("metod=ddo", where="--only")


def test_a_value_that_matches_nothing_is_told_the_nearest():
    with pytest.raises(UserError, match=r"no method of this board matches 'dod'; did you mean 'ddo'\? there are: ddo, none"):
        parse_filter("method=dod", where="--only").check(CELLS, where="--only")
    parse_filter("method=sft-*,seed!=1", where="--only").check(CELLS, where="--only")


def test_a_range_of_seeds_is_told_how_to_list_them():
    with pytest.raises(UserError, match="no seed of this board matches '0-1'; write seed=0,1; there are: 0, 1"):
        parse_filter("seed=0-1", where="--only").check(CELLS, where="--only")


def test_a_negated_value_that_matches_nothing_is_an_error_too():
    with pytest.raises(UserError, match="no base of this board matches 'edn'; did you mean 'edm'"):
        parse_filter("base!=edn", where="--only").check(CELLS, where="--only")


def test_a_filter_of_no_cells_says_that_there_are_none():
    with pytest.raises(UserError, match="there are: none"):
        parse_filter("base=edm", where="--only").check([], where="--only")


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("0-2", "0,1,2"), ("1:9", "1,2"), ("2..12", "2,10"), ("0 1", "0,1"), ("3-9", None), ("2-0", None), ("x", None)],
)
def test_a_range_of_seeds_is_spelled_out_with_those_there_are(text, seeds):
    assert seeds_in_range(text, [0, 1, 2, 10]) == seeds


def test_commas_between_brackets_join_the_parameters_of_one_value():
    chosen = parse_filter("method=ddo[alpha=1,beta=0.1],none,seed=0", where="--only")
    facts = {**CELLS[0], "method": "ddo[alpha=1,beta=0.1,rate=2]"}
    assert chosen.keeps(facts)
    assert not chosen.keeps({**facts, "method": "ddo[alpha=1,beta=1,rate=2]"})
    assert chosen.keeps({**facts, "method": "none"})


def test_a_point_that_the_board_lacks_is_refused_with_those_that_it_has():
    chosen = parse_filter("method=ddo[beta=3]", where="--only")
    with pytest.raises(UserError, match=r"no method of this board matches 'ddo\[beta=3\]'; did you mean 'ddo\[beta=1\]'"):
        chosen.check([{**CELLS[0], "method": "ddo[beta=1]"}], where="--only")
