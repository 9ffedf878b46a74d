import os

import pytest

from harness.errors import Faults, UserError
from harness.report.reported import COLUMNS, Reported, left_out, of_board, read_reported, reported_markdown

HEAD = ",".join(COLUMNS) + "\n"


def number(**fields):
    plain = {"model": "EDM", "method": "DDO", "nfe": "35", "metric": "fid", "value": "1.30", "source": "a paper", "note": ""}
    return Reported(**{**plain, **fields})


def lines(numbers):
    """The cells of the table's rows."""
    table = reported_markdown(numbers).split("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "reported.csv"


def test_a_board_without_the_file_reports_nothing(path):
    assert read_reported(path) == []


def test_rows_are_read_as_they_were_copied(path):
    path.write_text(HEAD + 'digits,diffusion,EDM,"DDO, two rounds",55.7,35,none,fid,1.30,"Zheng, Table 2",another split\n')
    assert read_reported(path) == [
        Reported("EDM", "DDO, two rounds", "35", "fid", "1.30", "Zheng, Table 2", "another split", board="digits")
    ]


def test_columns_may_stand_in_any_order_beside_others(path):
    names = [*reversed(COLUMNS), "year"]
    values = {name: name for name in names} | {"value": "2.0", "nfe": "10", "params_m": ""}
    path.write_text(",".join(names) + "\n" + ",".join(values[name] for name in names) + "\n")
    assert read_reported(path) == [Reported("model", "method", "10", "metric", "2.0", "source", "note", board="board")]


def test_each_fault_names_its_line(path):
    path.write_text(HEAD + "b,t,m,x,,,,fid,1.0,,\n" + "b,t,m,x,,,,fid,low,paper,\n" + "b,t\n" + "b,t,m,x,,,,fid,,  ,\n")
    with pytest.raises(Faults) as caught:
        read_reported(path)
    assert [fault.rpartition("/")[2] for fault in caught.value.faults] == [
        "reported.csv:2: a reported number needs its source",
        "reported.csv:3: value 'low' is not a number",
        "reported.csv:4: need 11 columns",
        "reported.csv:5: a reported number needs its source",
        "reported.csv:5: value '' is not a number",
    ]


@pytest.mark.parametrize(
    ("nfe", "params", "value", "faults"),
    [
        ("35", "", "nan", ["value 'nan' is not finite: write the number of the source, or remove the row"]),
        ("", "", "-inf", ["value '-inf' is not finite: write the number of the source, or remove the row"]),
        ("-1", "", "1", ["nfe '-1' is not a number above 0: leave it empty where the source does not say it"]),
        ("many", "0", "1", ["params_m '0' is not a number above 0", "nfe 'many' is not a number above 0"]),
        ("1e3", "55.7", "-1", []),
    ],
)
def test_numbers_that_no_paper_has_are_faults(path, nfe, params, value, faults):
    path.write_text(HEAD + f"b,t,m,x,{params},{nfe},,fid,{value},paper,\n")
    if not faults:
        assert len(read_reported(path)) == 1
        return
    with pytest.raises(Faults) as caught:
        read_reported(path)
    for found, expected in zip(caught.value.faults, faults, strict=True):
        assert found.startswith(f"{path}:2: {expected}")


def test_rows_of_other_boards_are_left_out_and_said(path):
    path.write_text(HEAD + "".join(f"{board},t,{board},x,,,,fid,1,paper,\n" for board in ("rings", "", "digits", "edges")))
    numbers = read_reported(path)
    assert [number.model for number in of_board(numbers, "rings")] == ["rings", ""]
    assert left_out(numbers, "rings", path) == [f"{path}: 2 rows are left out, of other boards than rings: digits, edges"]
    assert left_out(numbers[:2], "rings", path) == []


def test_a_row_of_too_many_columns_is_a_fault(path):
    path.write_text(HEAD + ",".join(["1.0"] * 12) + "\n")
    with pytest.raises(Faults, match=r"reported\.csv:2: need 11 columns"):
        read_reported(path)


@pytest.mark.parametrize("text", ["model,value\n", ""])
def test_missing_columns_are_named(path, text):
    path.write_text(text)
    with pytest.raises(UserError, match=r"reported\.csv:1: columns are missing: board, type, .*; expected: board,type,model,"):
        read_reported(path)


def test_the_table_marks_values_as_reported():
    assert lines([number()]) == [["EDM", "DDO", "35", "fid", "*1.30*", "a paper"]]
    assert lines([number(nfe="")])[0][2] == "–"


def test_equal_notes_are_written_once_under_the_table():
    numbers = [number(note="own split"), number(), number(note="guided"), number(note="own split")]
    assert [line[4] for line in lines(numbers)] == ["*1.30* [1]", "*1.30*", "*1.30* [2]", "*1.30* [1]"]
    assert reported_markdown(numbers).endswith("|\n\n\n[1] own split  \n[2] guided\n")


def test_a_note_is_plain_text_with_links_to_arxiv():
    text = reported_markdown([number(note="<b>own</b> $x$ of arXiv:2301.13362")])
    assert text.endswith("[1] &lt;b>own&lt;/b> \\$x\\$ of [arXiv:2301.13362](https://arxiv.org/abs/2301.13362)\n")


def test_a_number_of_arxiv_is_a_link():
    assert lines([number(source="arXiv:2301.13362 Table 1")])[0][5] == (
        "[arXiv:2301.13362](https://arxiv.org/abs/2301.13362) Table 1"
    )
    assert lines([number(source="arXiv:12, by hand")])[0][5] == "arXiv:12, by hand"


def test_text_of_papers_cannot_break_the_table():
    text = reported_markdown([number(model="a|b", method="x_y", source="p_q")])
    assert r"| a\|b" in text
    assert r"| x\_y" in text
    assert r"| p\_q" in text


def test_the_table_of_a_spreadsheet_begins_with_a_mark(path):
    path.write_text(HEAD + "digits,diffusion,EDM,é,55.7,35,none,fid,1.30,a paper,\n", encoding="utf-8-sig")
    assert [number.method for number in read_reported(path)] == ["é"]


def test_a_table_in_another_encoding_names_its_line(path):
    path.write_text(HEAD + "digits,diffusion,EDM,é,55.7,35,none,fid,1.30,a paper,\n", encoding="latin-1")
    with pytest.raises(UserError, match=r"reported\.csv:2: byte 0xe9 is no UTF-8"):
        read_reported(path)


def test_a_field_without_an_end_is_one_line(path):
    path.write_text(HEAD + "digits,diffusion,EDM," + "x" * 200_000 + ",55.7,35,none,fid,1.30,a paper,\n")
    with pytest.raises(UserError, match=r"reported\.csv:2: field larger than field limit"):
        read_reported(path)


def test_a_pipe_is_no_table(path):
    os.mkfifo(path)
    with pytest.raises(UserError, match="a pipe or a device stands where a file must be"):
        read_reported(path)
