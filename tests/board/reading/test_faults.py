"""Faults of a board: all at once, each with its line, the key, what was got, and the nearest valid name."""

from pathlib import Path

import pytest
from board_faults import fault, faults_of
from board_fixtures import BOARD
from pydantic import Field, ValidationError

from harness.board.reading.faults import FaultList
from harness.board.reading.yaml_file import parse_yaml
from harness.config import Config
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


def test_all_faults_are_found_at_once_each_with_its_line(write_board, fake_plugins):
    found = faults_of(write_board(MISSPELT), fake_plugins)
    for start, part in [
        ("board.yaml:2:", "no key is called 'datset' here; did you mean 'dataset'?"),
        ("board.yaml:3:", "no dataset is called 'rign'; did you mean 'ring'? installed: ring"),
        ("board.yaml:6:", "no key is called 'bases.net.model.widht' here; did you mean 'width'? keys: width"),
        ("board.yaml:10:", "methods.tune.method.rate: must be at most 1, got 7"),
        ("board.yaml:11:", "no method is called 'tun'; did you mean 'tune'?"),
        ("board.yaml:12:", "training.batch: must be a whole number"),
        ("board.yaml:15:", "no metric is called 'distanse'; did you mean 'distance'?"),
        ("board.yaml:16:", "metrics.likeness.shown_in: must be above 0, got 0"),
        ("board.yaml:16:", "no key is called 'metrics.likeness.digit' here; did you mean 'digits'?"),
    ]:
        assert any(line.startswith(start) and part in line for line in found), (start, part, found)
    assert found == sorted(found, key=lambda line: int(line.split(":")[1]))


def test_a_missing_key_is_named(write_board, fake_plugins):
    assert fault(write_board, fake_plugins, "title: Rings\n", "") == "board.yaml:1: 'title' is missing"


@pytest.mark.parametrize(
    ("written", "advice"),
    [
        ("no", "got False; YAML reads no, off and false as a truth value: write the text in quotes"),
        ("yes", "got True; YAML reads yes, on and true as a truth value: write the text in quotes"),
        ("~", "got None; YAML reads null, ~ and nothing at all as no value: write the text in quotes"),
        ("2026", "got 2026; a number that is a text needs quotes"),
    ],
)
def test_a_text_without_the_quotes_that_it_needs_is_told_so(write_board, fake_plugins, written, advice):
    found = fault(write_board, fake_plugins, "title: Rings", f"title: {written}")
    assert found == f"board.yaml:1: title: must be a text, {advice}"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("1.0e-2", ".inf", "metrics.distance.shown_in: must be a finite number, got inf"),
        ("1.0e-2", "-.inf", "metrics.distance.shown_in: must be a finite number, got -inf"),
        ("[0, 1, 2]", "[0, yes]", "seeds.1: must be a whole number, got True"),
        ("points: 4", "points: 010", "YAML reads '010' in base 8, as 8; write 10, or 8 if that is meant"),
        ("points: 4", "points: 1:30", "YAML reads '1:30' in base 60, as 90; write 90 for this number, or '1:30' for a text"),
        (
            "points: 4",
            "points: 1e1",
            "curve.points: must be a whole number, got '1e1'",
        ),
    ],
)
def test_numbers_that_yaml_and_people_read_differently_are_faults(write_board, fake_plugins, old, new, message):
    assert fault(write_board, fake_plugins, old, new).partition(": ")[2] == message


def test_a_wrong_type_says_what_was_got(write_board, fake_plugins):
    found = fault(write_board, fake_plugins, "{pairs: 4}", "{pairs: many}")
    assert found.startswith("board.yaml:13: floor.pairs: must be a whole number")
    assert found.endswith("got 'many'")


@pytest.mark.parametrize("name", ["Net", "a b", "../up", "a__b", "-a", "a" * 61, ""])
def test_names_that_make_no_file_name_are_faults(write_board, fake_plugins, name):
    found = faults_of(write_board(BOARD.replace("  tune:\n", f"  {name!r}: {{method: tune}}\n")), fake_plugins)
    assert found[0].startswith("board.yaml:9: ")


class Inner(Config):
    steps: int = Field(1, ge=1)


class Outer(Config):
    inner: list[Inner] = []
    rate: float = 0.1
    either: Inner | int = 1


SOURCE = parse_yaml("rate: 1\ninner:\n  - {steps: 0}\n  - {stps: 3}\neither: {steps: 0}\n", Path("board.yaml"))


@pytest.fixture
def faults():
    return FaultList(SOURCE)


def invalid(value):
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(value)
    return caught.value


def test_faults_are_sorted_by_line_whatever_their_order(faults):
    faults.add(("inner", 1), "second")
    faults.add(("rate",), "first")
    assert faults.as_error().faults == ("board.yaml:1: first", "board.yaml:4: second")


def test_a_fault_that_is_found_twice_is_told_once(faults):
    faults.add(("rate",), "too large")
    faults.add(("rate",), "too large")
    assert faults.as_error().faults == ("board.yaml:1: too large",)


def test_lines_are_numbers_and_no_texts():
    text = "\n".join(f"k{index}: 1" for index in range(12))
    faults = FaultList(parse_yaml(text, Path("board.yaml")))
    for index in (9, 10, 1):
        faults.add((f"k{index}",), "wrong")
    assert [fault.split(":")[1] for fault in faults.as_error().faults] == ["2", "10", "11"]


def test_a_path_with_a_colon_does_not_disturb_the_order():
    faults = FaultList(parse_yaml("a: 1\nb: 2\n", Path("7:odd/board.yaml")))
    faults.add(("b",), "second")
    faults.add(("a",), "third")
    assert faults.as_error().faults == ("7:odd/board.yaml:1: third", "7:odd/board.yaml:2: second")


def test_there_is_nothing_to_raise_without_faults(faults):
    faults.raise_any()
    faults.add(("rate",), "wrong")
    with pytest.raises(Faults, match=r"board\.yaml:1: wrong"):
        faults.raise_any()


def test_a_users_error_is_caught_with_its_message_and_the_line_of_its_key(faults):
    faults.add(("inner",), "before")
    with faults.catching(("rate",)):
        raise UserError("board.yaml:1: unknown")
    assert faults.as_error().faults == ("board.yaml:1: unknown", "board.yaml:2: before")


def test_mistakes_of_ours_are_not_caught(faults):
    with pytest.raises(KeyError), faults.catching(("rate",)):
        raise KeyError("rate")


def test_what_pydantic_found_is_told_at_the_place_that_it_has_in_the_file(faults):
    faults.add_invalid(invalid(SOURCE.value), (), Outer, SOURCE.value)
    told = faults.as_error().faults
    assert "board.yaml:3: inner.0.steps: must be at least 1, got 0" in told
    assert "board.yaml:4: no key is called 'inner.1.stps' here; did you mean 'steps'? keys: steps" in told
    assert any(line.startswith("board.yaml:5: either.steps: must be at least") for line in told)


def test_a_prefix_is_where_the_settings_stand(faults):
    faults.add_invalid(invalid({"rate": "fast"}), ("inner", 0), Outer, {"rate": "fast"})
    (told,) = faults.as_error().faults
    assert told.startswith("board.yaml:3: inner.0.rate: must be a number")
    assert told.endswith(", got 'fast'")


def test_lists_and_mappings_are_not_repeated_in_the_message(faults):
    faults.add_invalid(invalid({"rate": {"a": 1}}), (), Outer, {"rate": {"a": 1}})
    assert "got" not in str(faults.as_error())
