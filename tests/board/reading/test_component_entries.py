"""Components of a board whose schema has faults: one reading finds the faults of both."""

import pytest
from board_faults import faults_of

INVALID = "title: Grids\ntitel: x\n"


def others(found):
    """The faults beside that of the schema."""
    assert any("no key is called 'titel' here; did you mean 'title'" in line for line in found)
    return [line for line in found if "titel" not in line and "is missing" not in line]


@pytest.fixture
def check(write_board, grid_plugins):
    """The faults of components in an invalid board with these lines."""
    return lambda text: others(faults_of(write_board(INVALID + text), grid_plugins))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("dataset: gird\n", "board.yaml:3: no dataset is called 'gird'; did you mean 'grid'?"),
        ("dataset: {name: grid, sise: 3}\n", "board.yaml:3: no key is called 'dataset.sise' here; did you mean 'size'?"),
        ("bases: {a: {model: unit, weights: x.pt}}\n", "board.yaml:3: no model is called 'unit'; did you mean 'unet'?"),
        ("bases: {a: {data: gird}}\n", "board.yaml:3: no dataset is called 'gird'"),
        (
            "bases: {a: {model: unet, weights: x.pt, sampler: drow}}\n",
            "board.yaml:3: no sampler is called 'drow'; did you mean 'draw'",
        ),
        (
            "bases: {a: {model: unet, pretrain: {method: part, training: {images: 128}}}}\n",
            "board.yaml:3: no method is called 'part'; did you mean 'parts'?",
        ),
        (
            "bases:\n  a:\n    model: unet\n    pretrain:\n"
            "      - {method: parts, training: {images: 128}}\n      - {method: part, training: {images: 128}}\n",
            "board.yaml:8: no method is called 'part'; did you mean 'parts'?",
        ),
        ("methods: {tone: }\n", "board.yaml:3: no method is called 'tone'; did you mean 'tune'?"),
        ("methods: {own: {method: {name: tune, rat: 1}}}\n", "board.yaml:3: no key is called 'methods.own.method.rat' here"),
        ("metrics: {distanse: }\n", "board.yaml:3: no metric is called 'distanse'; did you mean 'distance'?"),
        ('metrics: {"gap[edgse]": }\n', "board.yaml:3: no extractor is called 'edgse'; did you mean 'edges'?"),
        ('metrics: {"gap[edges]": {extractor: {name: edges, x: 1}}}\n', "no key is called 'metrics.gap[edges].extractor.x' here"),
    ],
)
def test_a_fault_of_a_component_is_found_beside_that_of_the_schema(check, text, fault):
    (found,) = check(text)
    assert fault in found


@pytest.mark.parametrize(
    "text",
    [
        'dataset: grid\nmethods: {none: , own: {method: tune}}\nmetrics: {distance: , "gap[edges]": }\n',
        "bases: {a: {model: unet, pretrain: [{method: parts, training: {images: 128}}]}}\n",
    ],
)
def test_right_names_are_no_faults(check, text):
    assert check(text) == []


@pytest.mark.parametrize(
    "text",
    ["dataset: [1]\n", "bases: [a]\n", "bases: {a: 3}\n", "bases: {a: {pretrain: 3}}\n", "bases: {a: {pretrain: [3]}}\n",
     "methods: 7\n", "metrics: {1: 2}\n", "dataset: {nam: grid}\n"],
)  # fmt: skip
def test_what_names_no_component_is_left_to_the_schema(write_board, grid_plugins, text):
    found = faults_of(write_board(INVALID + text), grid_plugins)
    assert not [line for line in found if "installed:" in line and "metric" not in line]
    assert all(line.startswith("board.yaml:") for line in found)
