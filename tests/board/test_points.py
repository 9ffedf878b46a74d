import pytest

from harness.board.points import given, point_text, trial_name, with_point, without_point
from harness.board.schema import MethodConfig
from harness.errors import UserError

ENTRY = MethodConfig.model_validate({"method": {"name": "ddo", "alpha": 1, "optimizer": "adam"}, "training": {"select": "best"}})


def test_a_point_joins_the_settings_as_if_it_were_written_by_hand():
    placed = with_point("x", ENTRY, {"beta": 0.1, "optimizer.lr": 0.01, "training.images": 64})
    assert placed.method.settings == {"alpha": 1, "beta": 0.1, "optimizer": {"name": "adam", "lr": 0.01}}
    assert placed.training == {"select": "best", "images": 64}
    assert ENTRY.method.settings["optimizer"] == "adam"


def test_an_entry_without_a_method_is_that_of_its_name():
    assert with_point("ddo", MethodConfig(), {"beta": 1}).method.name == "ddo"


def test_a_path_into_a_number_is_a_fault():
    with pytest.raises(UserError, match="alpha is 1 there, and has no settings"):
        with_point("x", ENTRY, {"alpha.beta": 1})


def test_names_are_those_of_a_grid():
    assert trial_name("ddo", {"beta": 0.1, "optimizer.lr": 0.0001}) == "ddo[beta=0.1,lr=0.0001]"
    assert trial_name("ddo", {"a.lr": 1, "b.lr": 2}, 64) == "ddo[a.lr=1,b.lr=2,images=64]"
    assert trial_name("ddo", {"training.images": 640}, 64) == "ddo[images=64]"
    assert point_text({"beta": 0.1, "flag": True}) == "beta 0.1, flag true"


def test_what_an_entry_says_itself():
    assert given(ENTRY, "alpha")
    assert given(ENTRY, "training.select")
    assert not given(ENTRY, "beta")
    assert not given(ENTRY, "optimizer.lr")
    fixed = without_point("x", ENTRY, {"alpha": 2, "training.select": "last", "optimizer.lr": 1})
    assert fixed == {"method": {"name": "ddo", "optimizer": "adam"}, "training": {}}
