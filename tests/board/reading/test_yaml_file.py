from pathlib import Path

import pytest

from harness.board.reading.yaml_file import LARGEST_FILE, parse_value, parse_yaml, read_yaml
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
        ("a: 1\nb: \x00\n", "board.yaml:2: not valid YAML: the character U+0000 is not allowed"),
        ('a: 1\nb: "\\UFFFFFFFF"\n', "board.yaml:2: not valid YAML: an escape in quotes stands for no character"),
        ('a: 1\nb: "\\U00110000"\n', "board.yaml:2: not valid YAML: an escape in quotes stands for no character"),
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
    with pytest.raises(UserError, match="cannot be read"):
        read_yaml(tmp_path)


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path):
    (tmp_path / "board.yaml").write_text("a: é\n", encoding="utf-8-sig")
    assert read_yaml(tmp_path / "board.yaml").value == {"a": "é"}


@pytest.mark.parametrize(
    ("encoding", "message"), [("latin-1", ":2: byte 0xe9 is no UTF-8; "), ("utf-16", ":1: the text is in UTF-16; ")]
)
def test_text_in_another_encoding_is_refused_with_its_line(tmp_path, encoding, message):
    (tmp_path / "board.yaml").write_text("a: 1\nb: é\n", encoding=encoding)
    with pytest.raises(UserError, match=message):
        read_yaml(tmp_path / "board.yaml")


def test_a_file_that_is_too_large_is_refused_before_it_is_parsed(tmp_path):
    (tmp_path / "board.yaml").write_bytes(b"a" * (LARGEST_FILE + 1))
    with pytest.raises(UserError, match=r"larger than"):
        read_yaml(tmp_path / "board.yaml")


def test_a_key_is_the_text_that_the_file_holds():
    assert parse_yaml("no: 1\noff: 2\n010: 3\n1:30: 4\n2026-02-30: 5\n", HERE).value == {
        "no": 1, "off": 2, "010": 3, "1:30": 4, "2026-02-30": 5,
    }  # fmt: skip


@pytest.mark.parametrize("key", ["[a]", "{a: 1}"])
def test_a_list_or_a_mapping_is_no_key(key):
    with pytest.raises(Faults, match=r"board.yaml:1: a key is a text"):
        parse_yaml(f"? {key}\n: 1\n", HERE)


@pytest.mark.parametrize("text", ["a: &a {<<: 3}", "a: &a {k: 1}\nb: {<<: [*a, 3]}", "a: &a [1]\nb: {<<: *a}"])
def test_only_mappings_are_merged(text):
    with pytest.raises(Faults, match=r"<< takes the alias of a mapping"):
        parse_yaml(text, HERE)


def test_of_merged_mappings_the_first_has_precedence():
    source = parse_yaml("x: &x {a: 1, b: 2}\ny: &y {b: 3, c: 4}\nz: {<<: [*x, *y], d: 5}\n", HERE)
    assert source.value["z"] == {"b": 2, "c": 4, "a": 1, "d": 5}
    assert list(source.value["z"]) == ["b", "c", "a", "d"]


@pytest.mark.parametrize("item", ["[x, x, x, x, x, x, x, x, x]", "{k: 1}", "{}"])
@pytest.mark.parametrize("repeat", ["[{}]", "{{<<: [{}]}}"])
def test_aliases_of_aliases_of_aliases_are_a_fault_and_no_bomb(item, repeat):
    lines = [f"a0: &a0 {item}"]
    lines += [f"a{level}: &a{level} {repeat.format(','.join([f'*a{level - 1}'] * 9))}" for level in range(1, 12)]
    with pytest.raises(UserError, match=r"more than 100,000 values|<< takes"):
        parse_yaml("\n".join(lines), HERE)


def test_a_value_of_a_command_line_is_read_like_one_of_a_board():
    assert [parse_value(text, where="--set") for text in ("1", "1.5", "x", "", "[1, x]")] == [1, 1.5, "x", None, [1, "x"]]
    with pytest.raises(UserError, match=r"^--set fid.x=010: YAML reads '010' in base 8, as 8"):
        parse_value("010", where="--set fid.x=010")
    with pytest.raises(UserError, match=r"^--set: not valid YAML"):
        parse_value("[1", where="--set")
