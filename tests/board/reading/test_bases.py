"""An entry of `bases` becomes a base of the origin that its keys name."""

import hashlib

import pytest
from board_fixtures import BOARD

from harness.board.bases import Examples, Loaded, Pretrained
from harness.board.reading.load import load_board
from harness.errors import UserError

OTHERS = "bases:\n  examples: {data: ring}\n  files: {model: net, weights: net.pt, label: From a file}\n"


def test_the_keys_of_an_entry_say_where_its_samples_come_from(write_board, fake_plugins):
    folder = write_board(BOARD.replace("bases:\n", OTHERS))
    (folder / "net.pt").write_bytes(b"weights")
    board = load_board(folder, plugins=fake_plugins)
    assert [(base.name, type(base.origin)) for base in board.bases] == [
        ("examples", Examples),
        ("files", Loaded),
        ("net", Pretrained),
        ("chain", Pretrained),
    ]
    assert [base.label for base in board.bases] == ["examples", "From a file", "Net", "Chain"]
    assert all(base.dataset == board.dataset for base in board.bases)
    files = board.bases[1].origin.files
    assert [(file.path, file.known_sha256) for file in files] == [
        (folder / "net.pt", hashlib.sha256(b"weights").hexdigest()),
    ]


def test_faults_of_all_bases_are_found_at_once(write_board, fake_plugins):
    text = BOARD.replace("bases:\n", OTHERS.replace("data: ring", "data: rign").replace("model: net", "model: nett"))
    try:
        load_board(write_board(text), plugins=fake_plugins)
    except UserError as error:
        first, second = str(error).splitlines()
    assert "board.yaml:4: no dataset is called 'rign'; did you mean 'ring'" in first
    assert "board.yaml:5: no model is called 'nett'; did you mean 'net'" in second


@pytest.mark.parametrize("label", ["Net", "net"])
def test_two_bases_of_one_label_are_refused_since_no_table_could_tell_them_apart(write_board, fake_plugins, label):
    text = BOARD.replace("label: Chain, ", f"label: {label}, ").replace("label: Net, ", "label: Net, " if label == "Net" else "")
    with pytest.raises(UserError) as raised:
        load_board(write_board(text), plugins=fake_plugins)
    assert str(raised.value).endswith(
        f"board.yaml:5: the bases 'net' and 'chain' are both called '{label}' in tables; give one of them another `label`"
    )


def test_a_base_of_several_seeds_has_one_label(write_board, fake_plugins):
    text = BOARD.replace("{method: fit, training: {images: 1280}}}", "{method: fit, training: {images: 1280}, seeds: [7, 8]}}")
    board = load_board(write_board(text), plugins=fake_plugins)
    assert [base.label for base in board.bases] == ["Net", "Net", "Chain", "Chain"]
