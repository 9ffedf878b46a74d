from pathlib import Path

import pytest

from harness.board.reading.yaml_file import parse_yaml, read_yaml
from harness.errors import Faults, UserError

HERE = Path("board.yaml")


def test_each_key_and_item_has_its_line():
    source = parse_yaml("a: 1\nb:\n  c: [1,\n      2]\n", HERE)
    assert source.value == {"a": 1, "b": {"c": [1, 2]}}
    assert source.where(("b", "c")) == "board.yaml:3"
    assert source.where(("b", "c", 1)) == "board.yaml:4"


def test_what_is_not_in_the_file_stands_where_its_parent_does():
    source = parse_yaml("a: 1\nb:\n  c: 2\n", HERE)
    assert source.where(("b", "d", "e")) == "board.yaml:2"
    assert source.where(("z",)) == "board.yaml:1"


def test_a_location_has_the_line_of_its_key():
    source = parse_yaml("a: 1\nb:\n  c: 2\n", HERE)
    assert [source.line(place) for place in [(), ("a",), ("b",), ("b", "c"), ("b", "x")]] == [1, 1, 2, 3, 2]


def test_a_location_is_written_without_the_list_that_the_file_leaves_out():
    source = parse_yaml("one: {a: 1}\nlist:\n  - {a: 1}\n  - {a: 2}\n", HERE)
    assert source.as_written(("one", 0, "a")) == ("one", "a")
    assert source.as_written(("list", 0, "a")) == ("list", 0, "a")
    assert source.as_written(("list", 1, "a")) == ("list", 1, "a")


def test_a_list_that_is_not_in_the_file_keeps_its_numbers():
    assert parse_yaml("a: 1\n", HERE).as_written(("b", 0, "c")) == ("b", 0, "c")


def test_values_are_plain():
    source = parse_yaml("a: yes\nb: 1.5\nc: null\nd: '1'\ne: [1, {f: x}]\n1: g\n", HERE)
    assert source.value == {"a": True, "b": 1.5, "c": None, "d": "1", "e": [1, {"f": "x"}], "1": "g"}


def test_a_merged_key_has_the_line_of_its_anchor():
    source = parse_yaml("x: &x\n  a: 1\ny:\n  <<: *x\n  b: 3\n", HERE)
    assert source.where(("y", "a")) == "board.yaml:2"
    assert source.where(("y", "b")) == "board.yaml:5"


def test_two_merges_in_one_mapping_are_no_repeated_key():
    source = parse_yaml("x: &x {a: 1}\ny: &y {b: 2}\nz:\n  <<: *x\n  <<: *y\n", HERE)
    assert source.value["z"] == {"a": 1, "b": 2}


def test_the_same_key_in_two_mappings_is_no_repeat():
    assert parse_yaml("a: {c: 1}\nb: {c: 2}\n", HERE).value == {"a": {"c": 1}, "b": {"c": 2}}


def test_a_file_is_read_with_its_path(tmp_path):
    (tmp_path / "board.yaml").write_text("a: é\n", encoding="utf-8")
    source = read_yaml(tmp_path / "board.yaml")
    assert (source.path, source.value) == (tmp_path / "board.yaml", {"a": "é"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1, 2\nb: 3\n", "board.yaml:2: not valid YAML: "),
        (
            "a:\n  b: {c: 1\nd: 3\n",
            "board.yaml:3: not valid YAML: expected ',' or '}', but got ':', while parsing a flow mapping that began on line 2",
        ),
        ("a: 1\n\tb: 2\n", "board.yaml:2: not valid YAML: "),
        ("a: 'open\n", "board.yaml:2: not valid YAML: "),
        ("a: *nothing\n", "board.yaml:1: not valid YAML: found undefined alias"),
        ("a: 1\n--- \nb: 2\n", "board.yaml:2: not valid YAML: "),
        ("a: !!python/name:os.system x\n", "board.yaml:1: not valid YAML: could not determine a constructor"),
        ("a: !!python/object:os.system {}\n", "board.yaml:1: tags such as 'tag:yaml.org,2002:python/object:os.system'"),
        ("a: \x00\n", "board.yaml: not valid YAML: "),
        ("", "board.yaml:1: the file is empty"),
        ("# a remark\n", "board.yaml:1: the file is empty"),
    ],
)
def test_a_syntax_error_names_its_line(text, message):
    with pytest.raises(UserError) as caught:
        parse_yaml(text, HERE)
    assert str(caught.value).startswith(message)


def test_repeated_keys_are_faults_all_at_once_in_the_order_of_the_file():
    with pytest.raises(Faults) as caught:
        parse_yaml("a: 1\nb: {c: 1, c: 2}\na: 3\n", HERE)
    assert caught.value.faults == (
        "board.yaml:2: 'c' is given twice; first on line 2",
        "board.yaml:3: 'a' is given twice; first on line 1",
    )


def test_anchors_and_merges_work_and_own_keys_win():
    source = parse_yaml("x: &x {a: 1, b: 2}\ny:\n  <<: *x\n  b: 3\n", HERE)
    assert source.value == {"x": {"a": 1, "b": 2}, "y": {"a": 1, "b": 3}}


def test_an_anchor_that_holds_itself_is_a_fault():
    with pytest.raises(UserError, match="holds itself"):
        parse_yaml("a: &a [*a]\n", HERE)


def test_a_file_that_is_not_there_or_no_text_is_an_error(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        read_yaml(tmp_path / "board.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="cannot be read"):
        read_yaml(tmp_path / "binary.yaml")
    with pytest.raises(UserError, match="cannot be read"):
        read_yaml(tmp_path)
