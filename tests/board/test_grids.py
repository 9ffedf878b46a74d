import pytest

from harness.board.grids import matches, point_name, short_names, split_point

POINT = "ddo[alpha=1,beta=0.1,rate=fast]"


def test_the_name_of_a_point_says_where_it_is():
    assert point_name("ddo", {"alpha": "1", "beta": "0.1"}) == "ddo[alpha=1,beta=0.1]"
    assert split_point(POINT) == ("ddo", {"alpha": "1", "beta": "0.1", "rate": "fast"})
    assert split_point("ddo") == ("ddo", {})


@pytest.mark.parametrize(
    "pattern",
    ["ddo", "d*", "*", "ddo[beta=0.1]", "ddo[beta=1e-1]", "ddo[beta=0.10,alpha=1.0]", "ddo[rate=f*]", "d?o[alpha=1]", POINT],
)
def test_a_pattern_means_all_points_that_have_what_it_names(pattern):
    assert matches(POINT, pattern)


@pytest.mark.parametrize("pattern", ["dd", "ddo[beta=1]", "ddo[gamma=1]", "neon[beta=0.1]", "ddo[rate=slow]", "ddo[alpha=x]"])
def test_a_pattern_means_no_other_point(pattern):
    assert not matches(POINT, pattern)


def test_a_plain_name_has_no_parameters():
    assert not matches("ddo", "ddo[beta=0.1]")
    assert matches("ddo", "ddo")


def test_a_number_of_a_round_is_no_name():
    assert short_names({("method", "beta", "2"): (), ("method", "optimizer", "lr"): ()}) == {
        ("method", "beta", "2"): "beta.2",
        ("method", "optimizer", "lr"): "lr",
    }
