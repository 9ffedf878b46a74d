import pytest
from board_faults import fault, faults_of
from board_fixtures import BOARD

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
        ("board.yaml:10:", "methods.tune.method.rate: input should be less than or equal to 1, got 7"),
        ("board.yaml:11:", "no method is called 'tun'; did you mean 'tune'?"),
        ("board.yaml:12:", "training.batch: input should be a valid integer"),
        ("board.yaml:15:", "no metric is called 'distanse'; did you mean 'distance'?"),
        ("board.yaml:16:", "metrics.likeness.shown_in: input should be greater than 0, got 0"),
        ("board.yaml:16:", "no key is called 'metrics.likeness.digit' here; did you mean 'digits'?"),
    ]:
        assert any(line.startswith(start) and part in line for line in found), (start, part, found)
    assert found == sorted(found, key=lambda line: int(line.split(":")[1]))


def test_a_missing_key_is_named(write_board, fake_plugins):
    assert fault(write_board, fake_plugins, "title: Rings\n", "") == "board.yaml:1: 'title' is missing"


def test_a_wrong_type_says_what_was_got(write_board, fake_plugins):
    found = fault(write_board, fake_plugins, "{pairs: 4}", "{pairs: many}")
    assert found.startswith("board.yaml:13: floor.pairs: input should be a valid integer")
    assert found.endswith("got 'many'")


@pytest.mark.parametrize("name", ["Net", "a b", "../up", "a__b", "-a", "a" * 61, ""])
def test_names_that_make_no_file_name_are_faults(write_board, fake_plugins, name):
    found = faults_of(write_board(BOARD.replace("  tune:\n", f"  {name!r}: {{method: tune}}\n")), fake_plugins)
    assert found[0].startswith("board.yaml:9: ")
