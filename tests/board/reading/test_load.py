"""A board's file becomes a board, or all of its faults at once."""

from pathlib import Path

import pytest
from board_faults import fault, faults_of
from board_fixtures import BOARD

from harness.board.reading.load import load_board
from harness.errors import Faults, UserError
from harness.plugins import registry


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


def test_a_board_is_called_as_its_folder(write_board, fake_plugins, monkeypatch):
    folder = write_board(name="moons")
    board = load_board(folder / "board.yaml", plugins=fake_plugins)
    assert (board.name, board.folder, board.is_smoke) == ("moons", folder, False)
    monkeypatch.chdir(folder)
    here = load_board(Path(), plugins=fake_plugins)
    assert (here.name, here.folder) == ("moons", Path())
    assert [cell.key for cell in here.cells] == [cell.key for cell in board.cells]


def test_a_board_has_its_settings_dataset_bases_and_columns(board):
    assert board.config.title == "Rings"
    assert board.dataset.name == "ring"
    assert [base.name for base in board.bases] == ["net", "chain"]
    assert [column.name for column in board.columns] == ["distance", "likeness"]


def test_a_folder_without_a_board_is_an_error(tmp_path):
    with pytest.raises(UserError, match="no board there"):
        load_board(tmp_path)


def test_components_are_those_that_are_installed(write_board):
    text = (
        BOARD.replace("dataset: ring", "dataset: swiss-roll")
        .replace("model: net", "model: ddpm-mlp")
        .replace("model: chain", "model: ddpm-mlp")
    )
    found = faults_of(write_board(text), None)
    assert not [line for line in found if "swiss-roll" in line or "ddpm-mlp'" in line]
    assert any("no method is called 'fit'" in line for line in found)


def test_faults_of_every_part_are_found_at_once(write_board, fake_plugins):
    text = BOARD
    for old, new in [
        ("dataset: ring", "dataset: rign"),
        ("model: chain", "model: chian"),
        ("  tune:\n", "  toon:\n"),
        ("[0, 1, 2]", "[0, 0]"),
        ("{digits: 3}", "{draws: 5}"),
        ("metric: distance", "metric: distant"),
    ]:
        assert old in text
        text = text.replace(old, new)
    found = faults_of(write_board(text), fake_plugins)
    assert [line.split(":")[1] for line in found] == ["2", "5", "9", "11", "16", "17"]


DEPENDENT = """\
title: Dependent
dataset: swiss-roll
bases:
  small:
    model: edm-mlp
    pretrain: {method: mle, training: {images: 1280}}
  main:
    model: edm-mlp
    sampler: {name: autoguidance, sampler: heun, weight: 2.0, guide: small}
    pretrain: {method: mle, training: {images: 1280}}
training: {images: 1280}
methods: {none: , mle: , ddo: {only: base=small}}
seeds: [0]
evaluation: {samples: 100}
metrics: {sliced-w2: }
curve: {metric: sliced-w2, points: 2, samples: 100}
"""


@pytest.mark.parametrize(
    ("right", "wrong", "first"),
    [
        ("dataset: swiss-roll", "dataset: swiss-rol", "board.yaml:2: no dataset is called 'swiss-rol'"),
        (
            "  small:\n    model: edm-mlp",
            "  small:\n    model: {name: edm-mlp, widht: 3}",
            "board.yaml:5: no key is called 'bases.small.m",
        ),
        ("model: edm-mlp\n    sampler", "model: edm-mpl\n    sampler", "board.yaml:8: no model is called 'edm-mpl'"),
        (
            "sampler: heun",
            "sampler: heum",
            "board.yaml:9: bases.main.sampler.sampler: sampler: no sampler is called 'heum'; did you mean 'heun'",
        ),
        (
            "method: mle, training: {images: 1280}}\n  main",
            "method: mel, training: {images: 1280}}\n  main",
            "board.yaml:6: no method",
        ),
        ("ddo: {only", "ddo: {method: {name: ddo, betta: 1}, only", "board.yaml:12: no key is called 'methods.ddo.method.betta'"),
        ("metrics: {sliced-w2: }", "metrics: {sliced-w2: {metric: sliced-w9}}", "board.yaml:15: no metric is called 'sliced-w9'"),
        ("metrics: {sliced-w2: }", "metrics: {sliced-w2: , w3: }", "board.yaml:15: no metric is called 'w3'"),
    ],
)
def test_a_faulty_part_is_named_and_what_hangs_on_it_is_not_blamed(write_board, right, wrong, first):
    assert DEPENDENT.count(right) == 1
    load_board(write_board(DEPENDENT))
    (found,) = faults_of(write_board(DEPENDENT.replace(right, wrong)), registry())
    assert found.startswith(first)


def test_filters_are_checked_once_the_rest_is_right(write_board, fake_plugins):
    text = BOARD.replace("  tune:", "  tune: {only: base=nett}")
    assert "matches 'nett'" in faults_of(write_board(text), fake_plugins)[0]
    broken = faults_of(write_board(text.replace("[0, 1, 2]", "[0, 0]")), fake_plugins)
    assert [line.split(":")[1] for line in broken] == ["11"]
