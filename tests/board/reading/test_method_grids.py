from importlib.metadata import EntryPoint

import pytest
from board_fixtures import BOARD

from harness.board.reading.load import load_board
from harness.errors import Faults, UserError
from harness.plugins import Registry

ENTRY = "  tune:\n"


@pytest.fixture
def load(write_board):
    """Loads the standard board with this text in the place of the entry `tune`."""
    names = ("harness_fake", "harness_fake_settings")
    plugins = Registry([EntryPoint(name, name, "harness") for name in names])
    return lambda entry, text=BOARD: load_board(write_board(text.replace(ENTRY, entry)), plugins=plugins)


def grid(settings):
    return f"  tune: {{label: Tune, method: {{name: weigh, {settings}}}, note: found by hand}}\n"


def test_an_entry_with_grids_is_a_row_for_each_combination(load):
    board = load(grid("strength: {grid: [0.5, 1.0]}, bank: {grid: [10, 20, 30]}"))
    rows = dict.fromkeys((cell.method_name, cell.method_label) for cell in board.cells if cell.method_name.startswith("tune"))
    assert list(rows)[:2] == [
        ("tune[strength=0.5,bank=10]", "Tune, strength 0.5, bank 10"),
        ("tune[strength=0.5,bank=20]", "Tune, strength 0.5, bank 20"),
    ]
    assert len(rows) == 6
    settings = {cell.method_name: cell.method.settings for cell in board.cells}
    assert (settings["tune[strength=1,bank=30]"].strength, settings["tune[strength=1,bank=30]"].bank) == (1.0, 30)
    (found,) = board.grids
    assert (found.name, found.label) == ("tune", "Tune")
    assert found.values == {"strength": ("0.5", "1"), "bank": ("10", "20", "30")}


def test_a_row_of_a_grid_is_the_row_that_was_written_by_hand(load):
    by_hand = {cell.key for cell in load("  tune: {method: {name: weigh, strength: 0.5}}\n").cells}
    of_grid = {cell.key for cell in load(grid("strength: {grid: [0.5, 2.0]}")).cells if "strength=2" not in cell.method_name}
    assert of_grid == by_hand


def test_a_grid_may_stand_deep_in_settings_and_in_the_training(load):
    settings = "method: {name: weigh, optimizer: {lr: {grid: [0.1, 0.2]}}}, training: {images: {grid: [640, 1280]}}"
    board = load(f"  tune: {{{settings}}}\n")
    cells = {cell.method_name: cell for cell in board.cells}
    assert cells["tune[lr=0.2,images=640]"].training.images == 640
    assert cells["tune[lr=0.2,images=640]"].method.settings.optimizer.lr == 0.2


def test_an_entry_without_a_method_is_of_the_method_of_its_own_name(load):
    """Each point was looked for among the methods by its own name, `tune[images=640]`."""
    cells = {cell.method_name: cell for cell in load("  tune: {training: {images: {grid: [640, 1280]}}}\n").cells}
    assert cells["tune[images=640]"].method.name == "tune"
    by_hand = {cell.method_name: cell for cell in load("  tune: {training: {images: 640}}\n").cells}
    assert cells["tune[images=640]"].key == by_hand["tune"].key


def test_a_grid_of_a_method_that_is_not_installed_is_named_by_its_entry(load):
    with pytest.raises(Faults) as raised:
        load("  tuna: {training: {images: {grid: [640, 1280]}}}\n")
    (fault,) = set(raised.value.faults)
    assert "board.yaml:9: no method is called 'tuna'; did you mean 'tune'?" in fault


def test_parameters_of_one_short_name_have_their_whole_path(load):
    board = load("  tune: {method: {name: weigh, optimizer: {lr: {grid: [0.1, 0.2]}}, critic: {lr: {grid: [0.1, 0.2]}}}}\n")
    assert "tune[optimizer.lr=0.1,critic.lr=0.2]" in {cell.method_name for cell in board.cells}


def test_the_note_stands_once_and_only_holds_for_all_points(load):
    entry = grid("strength: {grid: [0.5, 1.0]}").replace("note:", "only: seed=1, note:")
    board = load(entry)
    notes = [entry.note for name, entry in board.config.methods.items() if name.startswith("tune[")]
    assert notes == ["found by hand", None]
    assert {cell.seed for cell in board.cells if cell.method_name.startswith("tune[")} == {1}


def test_a_control_that_is_a_grid_means_all_its_points(load):
    board = load(grid("strength: {grid: [0.5, 1.0]}"), text=f"control: [fit, tune]\n{BOARD}")
    assert board.config.control == ["fit", "tune[strength=0.5]", "tune[strength=1]"]


def test_filters_of_the_board_mean_points(load):
    text = BOARD.replace("  net: {label: Net,", "  net: {label: Net, only: 'method=none,tune[strength=0.50]',")
    board = load(grid("strength: {grid: [0.5, 1.0]}"), text=text)
    assert {cell.method_name for cell in board.cells if cell.base.name == "net"} == {"none", "tune[strength=0.5]"}


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ("strength: {grid: [0.5]}", "board.yaml:9: grid of strength: give a list of two values or more"),
        ("strength: {grid: 0.5}", "board.yaml:9: grid of strength: give a list of two values or more"),
        ("strength: {grid: [0.5, 0.50]}", "grid of strength: the value 0.5 stands there twice"),
        ("strength: {grid: [0.5, null]}", "grid of strength: None cannot be part of a name"),
        ("strength: {grid: [0.5, 'a b']}", "grid of strength: 'a b' cannot be part of a name"),
        ("optimizer: {lr: {grid: [0.5]}}", "grid of optimizer.lr: give a list of two values or more"),
        (f"strength: {{grid: {[*range(40)]}}}, bank: {{grid: {[*range(1, 41)]}}}", "the grid has 1,600 points: 1,000 at most"),
        (f"strength: {{grid: [{'a' * 120}, b]}}", "have up to 135 characters: 120 at most"),
    ],
)
def test_a_grid_that_is_none_is_a_fault_with_its_line(load, settings, fault):
    with pytest.raises(Faults) as error:
        load(grid(settings))
    assert fault in str(error.value)


def test_a_wrong_value_of_a_grid_names_the_line_of_the_setting(load):
    with pytest.raises(UserError) as error:
        load(grid("strength: {grid: [0.5, much]}"))
    assert "board.yaml:9: methods.tune.method.strength" in str(error.value)


def test_grids_are_no_fault_of_a_board_with_another_fault(load):
    with pytest.raises(UserError) as error:
        load(grid("strength: {grid: [0.5, 1.0]}"), text=BOARD + "colour: red\n")
    assert "strength" not in str(error.value)
