from pathlib import Path

import pytest

from harness.board.reading.yaml_file import parse_yaml
from harness.errors import Faults


def value(text):
    return parse_yaml(f"a: 1\nb: {text}\n", Path("board.yaml")).value["b"]


def fault(text):
    with pytest.raises(Faults) as caught:
        value(text)
    [found] = caught.value.faults
    return found.removeprefix("board.yaml:2: ")


@pytest.mark.parametrize("text", ["2026-02-28", "2026-02-30", "0000-00-00", "2001-12-14t21:59:43.10-05:00", "="])
def test_dates_are_text_whether_or_not_the_calendar_has_them(text):
    assert value(text) == text


@pytest.mark.parametrize("text", ["!!bool x", "!!bool ''", "!!int x", "!!int ''", "!!int '-'", "!!float '.'", "!!int 0x"])
def test_a_text_that_is_no_value_of_its_tag_is_a_fault(text):
    found = fault(text)
    assert found.startswith("'")
    assert "is no value of YAML's type" in found


def test_a_number_with_more_digits_than_python_reads_is_a_fault():
    assert fault("9" * 5000) == f"'{'9' * 39}…' is no value of YAML's type int"


@pytest.mark.parametrize(
    ("text", "read", "meant"), [("010", 8, "write 10"), ("-0100", -64, "write -100"), ("0_17", 15, "write 17")]
)
def test_a_number_in_base_8_says_what_is_read_and_what_is_meant(text, read, meant):
    assert fault(text) == f"YAML reads {text!r} in base 8, as {read}; {meant}, or {read} if that is meant"


@pytest.mark.parametrize(("text", "read"), [("1:30", 90), ("1:30.5", 90.5), ("-1:00:00", -3600)])
def test_a_number_in_base_60_says_what_is_read(text, read):
    assert fault(text).startswith(f"YAML reads {text!r} in base 60, as {read}; write {read} for this number, or '{text}'")


@pytest.mark.parametrize(
    ("text", "number"), [("00", 0), ("07", 7), ("0x10", 16), ("0b11", 3), ("1_000", 1000), ("007.5", 7.5), ("0", 0)]
)
def test_other_numbers_are_read_as_they_are_meant(text, number):
    assert value(text) == number


@pytest.mark.parametrize("text", ["'010'", '"1:30"', "08", "0o10", "1:90"])
def test_texts_in_quotes_and_texts_that_are_no_numbers_stay_as_they_are(text):
    assert value(text) == text.strip("'\"")


@pytest.mark.parametrize("escape", ["\\0", "\\x1b", "\\x7f", "\\ud800", "\\udfff"])
def test_characters_that_no_terminal_can_show_are_faults(escape):
    assert "has no place in a text of a board" in fault(f'"x{escape}y"')


def test_tags_of_bytes_have_no_meaning():
    assert fault("!!binary aGk=") == "tags such as 'tag:yaml.org,2002:binary' have no meaning here"
