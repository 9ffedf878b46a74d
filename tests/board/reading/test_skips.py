"""Reasons for which cells are skipped."""

import pytest
from board_fixtures import BOARD

from harness.board.components import Resolved
from harness.board.reading.load import load_board
from harness.board.reading.skips import augment_reason, flip_reason, lacks, micro_batch_reason
from harness.components import Method, Model
from harness.interfaces import DataSpec
from harness.plugins import registry
from harness.training.augmentation_settings import EDMAugmentation
from harness.training.config import TrainingConfig

NET = "net: {model: unet, pretrain: {method: parts, training: {images: 256}}}"


def method(**changes):
    return Method("ddo", build="a:b", summary="", **{"needs": frozenset({"Trains"}), "accumulates": True, **changes})


def model(*provides):
    return Model("unet", build="a:b", summary="", provides=frozenset(provides), sampler="draw")


def budget(micro_batch=4):
    return TrainingConfig(images=256, micro_batch=micro_batch)


@pytest.fixture
def reasons(grids):
    """The reasons of the board of images' rows, by method, with other methods and changes."""

    def read(methods, *changes):
        board = grids(("methods: {none: }", f"methods: {{{methods}}}\ntraining: {{images: 256}}"), *changes)
        return {cell.method_name: cell.skip_reason for cell in board.cells}

    return read


def test_a_model_that_lacks_what_a_method_needs_is_skipped_with_the_reason(board):
    reasons = {cell.row.name: cell.skip_reason for cell in board.cells}
    assert reasons.pop("chain/tune") == "chain lacks Likelihood, which tune needs"
    assert set(reasons.values()) == {None}


def test_a_method_that_takes_whole_batches_is_skipped_where_the_board_cuts_them(write_board, fake_plugins):
    text = BOARD.replace("\ntraining: {", "\ntraining: {micro_batch: 2, ")
    assert text != BOARD
    cells = load_board(write_board(text), plugins=fake_plugins).cells
    reasons = {cell.method_name: cell.skip_reason for cell in cells if cell.base.name == "net"}
    assert reasons == {
        "none": None,
        "fit": "fit takes whole batches and cannot follow micro_batch",
        "tune": "tune takes whole batches and cannot follow micro_batch",
    }


def test_what_the_data_lack_is_a_reason(reasons):
    assert reasons("none: , labelled: ") == {"none": None, "labelled": "the data of unet have no labels"}
    assert reasons("labelled: ", ("dataset: grid", "dataset: {name: grid, classes: 3}")) == {"labelled": None}


def test_examples_are_trained_by_no_method(reasons):
    found = reasons("none: , parts: ", (NET, "good: {data: grid}"))
    assert found == {"none": None, "parts": "parts needs a model, and this base is data"}


def test_a_method_of_transitions_needs_a_sampler_that_walks_them(write_board, grid_plugins):
    text = BOARD.replace("  tune:", "  steps:").replace(
        "  net: {label: Net, model: net", "  net: {label: Net, model: chain, sampler: walk"
    )
    cells = load_board(write_board(text), plugins=grid_plugins).cells
    assert {cell.base.name: cell.skip_reason for cell in cells if cell.method_name == "steps"} == {
        "net": None,
        "chain": "the sampler draw does not walk the model's Gaussian steps, which steps trains",
    }


def test_missing_capabilities_are_sorted():
    assert lacks(frozenset({"Trains", "Tokens", "Likelihood"}), model("Trains")) == ["Likelihood", "Tokens"]
    assert lacks(frozenset(), model()) == []


@pytest.mark.parametrize(
    ("changes", "provides", "micro_batch", "reason"),
    [
        ({}, ("Trains", "TrainsInParts"), 4, None),
        ({}, ("Trains",), None, None),
        ({"trains": False, "accumulates": False}, ("Trains",), 4, None),
        ({"accumulates": False}, ("Trains", "TrainsInParts"), 4, "ddo takes whole batches and cannot follow micro_batch"),
        ({}, ("Trains",), 4, "unet lacks TrainsInParts, which ddo needs for micro_batch"),
        ({"needs": frozenset({"Likelihood"})}, ("Likelihood",), 4, None),
    ],
)
def test_micro_batches_need_a_method_that_accumulates_and_a_model_that_trains_in_parts(changes, provides, micro_batch, reason):
    assert micro_batch_reason(method(**changes), model(*provides), budget(micro_batch)) == reason


@pytest.mark.parametrize(
    ("changes", "spec", "flip", "reason"),
    [
        ({}, DataSpec((1, 8, 8), preview="images"), True, None),
        ({}, DataSpec((2,)), False, None),
        ({"trains": False}, DataSpec((2,)), True, None),
        ({}, None, True, None),
        ({}, DataSpec((2,)), True, "flip mirrors images, and ddo trains on points here"),
    ],
)
def test_only_images_are_flipped(changes, spec, flip, reason):
    assert flip_reason(method(**changes), spec, TrainingConfig(images=256, flip=flip)) == reason


EDM = registry().get(Model, "edm-unet", where="test")
IMAGES = DataSpec((1, 8, 8), preview="images")


@pytest.mark.parametrize(
    ("changes", "on", "augment_dim", "spec", "reason"),
    [
        ({}, EDM, 9, IMAGES, None),
        ({}, EDM, 9, None, None),
        ({"trains": False, "augments": False}, model(), 0, DataSpec((2,)), None),
        (
            {"augments": False}, EDM, 9, IMAGES,
            "ddo trains by more than the pretraining loss, through which augment tells the network what was changed",
        ),
        ({}, model("Trains"), 0, IMAGES, "unet lacks TakesAugmentation, which augment needs"),
        ({}, EDM, 9, DataSpec((2,)), "augment changes images, and ddo trains on points here"),
        (
            {}, EDM, 0, IMAGES,
            "model edm-unet: augment gives 9 labels for each image, and augment_dim is 0: set it to 9, or the network would draw "
            "augmented images",
        ),
    ],
)  # fmt: skip
def test_augmentation_needs_a_network_that_is_told_and_a_method_that_tells(changes, on, augment_dim, spec, reason):
    config = on.config(augment_dim=augment_dim) if augment_dim else on.config()
    training = TrainingConfig(images=256, augment=EDMAugmentation(name="edm"))
    resolved = Resolved(on, config, on.name, "1/1")
    assert augment_reason(method(**{"augments": True, **changes}), resolved, spec, training) == reason
    assert augment_reason(method(**changes), resolved, spec, TrainingConfig(images=256)) is None


def test_methods_that_tell_data_from_samples_are_skipped_where_a_board_augments():
    """Augmented on the side of data alone, images would give themselves away (DDO, CCA), and banks have no labels (Neon)."""
    methods = {name: found.component for name, found in registry().all("method").items()}
    declared = {name for name, method in methods.items() if isinstance(method, Method) and method.augments}
    assert declared == {"mle"}
