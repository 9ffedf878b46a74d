import pytest
from board_faults import fault, faults_of

from harness.board.reading.load import load_board
from harness.errors import Faults


def test_a_repeated_key_is_a_fault(write_board, fake_plugins):
    found = fault(write_board, fake_plugins, "  tune:\n", "  tune:\n  tune:\n")
    assert found == "board.yaml:10: 'tune' is given twice; first on line 9"


@pytest.mark.parametrize("text", ["- a\n- b\n", "words\n", "3\n"])
def test_a_file_that_is_no_mapping_is_an_error(write_board, fake_plugins, text):
    assert faults_of(write_board(text), fake_plugins) == ["board.yaml:1: a board is a mapping of keys, see docs/boards.md"]


@pytest.mark.parametrize("text", ["title:\n", "title: x\nbases: []\n", "bases: {a: 3}\nmethods: 7\n", "1: 2\n"])
def test_no_mistake_is_a_traceback(write_board, fake_plugins, text):
    with pytest.raises(Faults):
        load_board(write_board(text), plugins=fake_plugins)
