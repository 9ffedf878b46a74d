"""The sentences that messages share: the nearest name, several faults at once."""

import pickle

import pytest

from harness.errors import (
    EndsTheRun,
    Faults,
    UserError,
    closest,
    error_text,
    faults_of,
    first_line,
    in_one_line,
    nearest,
    noted,
    one_line,
    unknown,
)


@pytest.mark.parametrize(
    ("name", "near"), [("dod", "ddo"), ("DDO", "ddo"), ("sft-gp", "sft-pg"), ("zebra", None), ("", None), ("neon", "neon")]
)
def test_the_nearest_name_is_found_in_any_case_and_none_where_none_is_near(name, near):
    assert closest(name, ["ddo", "neon", "sft-pg"]) == near
    assert nearest(name, ["ddo", "neon", "sft-pg"]) == ("" if near is None else f"did you mean {near!r}? ")


def test_a_name_in_another_case_goes_before_a_similar_one():
    assert closest("FID", ["fid", "fd"]) == "fid"


def test_an_unknown_name_says_where_what_and_what_there_is():
    assert str(unknown("method", "dod", ["neon", "ddo"], where="board.yaml:14")) == (
        "board.yaml:14: no method is called 'dod'; did you mean 'ddo'? there are: ddo, neon"
    )
    assert str(unknown("method", "dod", [], where="here")) == "here: no method is called 'dod'; there are: none"


def test_faults_are_a_line_each_in_their_order():
    faults = Faults(["second", "first"])
    assert str(faults) == "second\nfirst"
    assert faults.faults == ("second", "first")
    assert isinstance(faults, UserError)
    assert Faults(["a", "b", "a"]).faults == ("a", "b")


@pytest.mark.parametrize("error", [UserError("x"), Faults(["a", "b"]), EndsTheRun("end")])
def test_an_error_comes_back_from_another_process_as_it_was(error):
    back = pickle.loads(pickle.dumps(error))
    assert (type(back), str(back), faults_of(back)) == (type(error), str(error), faults_of(error))


def test_a_line_break_in_a_name_does_not_split_the_message():
    name = "a\nb\x1b[31m\u2028.png"
    faults: list[str] = []
    for error in (UserError(f"{name}: damaged"), Faults([f"{name}: absent"])):
        with noted(faults):
            raise error
    assert faults == [r"a\nb\x1b[31m\u2028.png: damaged", r"a\nb\x1b[31m\u2028.png: absent"]


def test_a_fault_is_noted_and_the_next_check_runs():
    faults: list[str] = []
    with noted(faults):
        raise Faults(["a", "b"])
    with noted(faults):
        faults.append("between")
    with noted(faults):
        raise EndsTheRun("c")
    assert faults == ["a", "b", "between", "c"]


def test_a_bug_is_not_noted():
    faults: list[str] = []
    with pytest.raises(ZeroDivisionError), noted(faults):
        _ = 1 / 0
    assert faults == []


def test_the_first_line_of_a_text_is_the_first_that_says_something():
    assert first_line("one\ntwo") == "one"
    assert first_line("\n  one\ntwo") == "one"
    assert first_line("") == first_line(" \n ") == ""


def test_an_error_is_its_class_and_its_text_and_a_note_does_not_take_the_texts_place():
    error = ValueError("not so")
    error.add_note("a note of a library")
    assert error_text(error) == "ValueError: not so"
    assert error_text(UserError("two\nlines")) == "two\nlines"
    assert in_one_line(UserError("two\nlines")) == "two lines"


@pytest.mark.parametrize("error", [MemoryError(), MemoryError(""), MemoryError("\n")])
def test_an_error_without_a_text_is_its_class(error):
    assert error_text(error) == in_one_line(error) == "MemoryError"


def test_an_error_whose_text_fails_is_its_class():
    class Broken(Exception):
        def __str__(self):
            raise RuntimeError

    assert error_text(Broken()).endswith("Broken")


def test_half_of_a_surrogate_pair_becomes_an_escape_that_every_file_can_hold():
    text = error_text(ValueError("\udcff and \ud83d"))
    assert text == "ValueError: \\udcff and \\ud83d"
    assert text.encode()


def test_a_long_text_is_cut():
    assert len(in_one_line(ValueError("x" * 5000))) == 501
    assert len(error_text(ValueError("x" * 5000))) == 5012


def test_a_line_end_in_a_name_makes_no_second_fault():
    faults: list[str] = []
    with noted(faults):
        raise UserError("a\nb: damaged")
    assert faults == [r"a\nb: damaged"]
    assert faults_of(Faults(["a\nb", "c"])) == (r"a\nb", "c")
    assert str(Faults(["a\nb", "c"])) == "a\\nb\nc"


def test_control_characters_are_written_out_and_letters_stay():
    assert one_line("é ± \t\x1b[0m\u2028 ok") == r"é ± \t\x1b[0m\u2028 ok"
    assert one_line(one_line("a\nb")) == r"a\nb"
