"""What does not fit the data is a fault of the board, before any work and without torch."""

import subprocess
import sys

import pytest
from harness_fake_grids import GridConfig, UnetConfig

from harness.board.components import Resolved
from harness.board.reading.data_fit import method_fault, model_fault, spec_of
from harness.board.reading.load import load_board
from harness.components import Dataset, Method, Model
from harness.config import NoConfig
from harness.errors import PluginFault, UserError
from harness.interfaces import DataSpec
from harness.plugins import registry

TEXT = """\
title: Points
dataset: swiss-roll
bases:
  net:
    model: MODEL
    pretrain: {method: mle, training: {images: 128}}
methods: {none: }
training: {images: 128}
metrics: {w2: }
"""


def faults(folder):
    with pytest.raises(UserError) as caught:
        load_board(folder)
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("model", "what"), [("{name: var}", "change the last of patch_nums"), ("{name: maskgit}", "change input_size")]
)
def test_data_that_the_tokens_do_not_make_are_a_fault_with_its_line(write_board, model, what):
    (fault,) = faults(write_board(TEXT.replace("MODEL", model)))
    assert "board.yaml:5: model" in fault
    assert "make images of 16×16, but the data has shape (2,)" in fault
    assert what in fault


@pytest.mark.parametrize("name", ["edm-unet", "edm2-unet", "ddpm-unet"])
def test_points_are_no_images_and_odd_sizes_cannot_be_halved(write_board, name):
    (fault,) = faults(write_board(TEXT.replace("MODEL", f"{{name: {name}}}")))
    assert f"board.yaml:5: model {name}: needs square images, (channels, size, size), not data of shape (2,)" in fault
    setting = "ch_mult" if name == "ddpm-unet" else "channel_mult"
    text = TEXT.replace("swiss-roll", "digits").replace("MODEL", f"{{name: {name}, {setting}: [1, 1, 1, 1, 1]}}")
    (fault,) = faults(write_board(text.replace("w2", "sliced-w2")))
    assert f"5 levels ({setting}) need a size divisible by 16, and the images are 8×8" in fault


def test_points_have_no_features_of_images(write_board):
    text = TEXT.replace("MODEL", "{name: ddpm-mlp}").replace("{w2: }", '{"fid[digits-cnn]": {}}')
    (fault,) = faults(write_board(text))
    assert "fid compares features of images, and the dataset holds examples of shape (2,)" in fault


def test_validate_ends_with_2_and_imports_no_torch(write_board):
    folder = write_board(TEXT.replace("MODEL", "{name: var}"))
    code = (
        "import sys\nfrom harness.cli import main\nsys.argv[1:] = ['validate', sys.argv[1]]\n"
        "try:\n    main()\nexcept SystemExit as end:\n    print(end.code, 'torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=False)
    assert run.stdout.split() == ["2", "False"], run.stderr
    assert "make images of 16×16" in run.stderr


@pytest.mark.parametrize("smoke", [False, True])
@pytest.mark.parametrize("name", ["edm-unet", "edm2-unet", "ddpm-unet"])
def test_attention_at_a_size_that_no_level_has_is_a_fault(write_board, name, smoke):
    setting = "ch_mult" if name == "ddpm-unet" else "channel_mult"
    board = TEXT.replace("swiss-roll", "digits").replace("w2", "sliced-w2") + "evaluation: {samples: 448}\n"
    model = f"{{name: {name}, {setting}: [1, 1], attn_resolutions: [16, 4]}}"
    with pytest.raises(UserError) as caught:
        load_board(write_board(board.replace("MODEL", model)), smoke=smoke)
    said = f"attn_resolutions: no level has 16; on 8×8 the levels ({setting}) have 8, 4"
    assert str(caught.value).endswith(f"board.yaml:5: model {name}: {said}")
    for fitting in ("[8, 4]", "[4]", "[]"):
        load_board(write_board(board.replace("MODEL", model.replace("[16, 4]", fitting))), smoke=smoke)


def test_the_default_of_attention_may_name_sizes_that_small_images_have_not(write_board):
    board = TEXT.replace("swiss-roll", "digits").replace("w2", "sliced-w2") + "evaluation: {samples: 448}\n"
    load_board(write_board(board.replace("MODEL", "edm2-unet")))  # at 16 and 8, as published, on 8×8


@pytest.fixture
def resolved(grid_plugins):
    """A component of the fake plugins with settings."""

    def find(kind, name, settings=None, full=None):
        return Resolved(grid_plugins.get(kind, name, where="test"), settings or NoConfig(), "test", "1/1", full)

    return find


def images(size, classes=0):
    return DataSpec((1, size, size), classes, preview="images")


def test_a_dataset_says_what_it_holds_without_reading_it(resolved):
    assert spec_of(resolved(Dataset, "grid", GridConfig(size=4, classes=2))) == images(4, 2)
    assert spec_of(resolved(Dataset, "ring")) is None


def test_a_model_that_does_not_fit_says_why(resolved):
    unet = resolved(Model, "unet", UnetConfig(levels=3))
    assert model_fault(unet, images(12)) == "3 levels do not divide 12"
    assert model_fault(unet, images(16)) is None


def test_a_model_fits_while_the_data_are_not_known(resolved):
    assert model_fault(resolved(Model, "unet", UnetConfig(levels=3)), None) is None


def test_a_smaller_model_answers_for_the_boards_own(resolved):
    unet = resolved(Model, "unet", UnetConfig(levels=1), full=UnetConfig(levels=3))
    assert model_fault(unet, images(12)) == "3 levels do not divide 12"


def test_a_method_that_cannot_run_on_the_data_says_why(resolved):
    labelled, unet = resolved(Method, "labelled"), resolved(Model, "unet", UnetConfig()).component
    assert method_fault(labelled, unet, images(8)) == "the data of unet have no labels"
    assert method_fault(labelled, unet, images(8, classes=3)) is None
    assert method_fault(labelled, unet, None) is None
    assert method_fault(resolved(Method, "parts"), unet, images(8)) is None


def test_a_check_that_cannot_be_loaded_is_no_reason_to_skip_cells():
    fit = Method("fit", build="x:y", summary="", check="harness_fake_grids:chek")
    with pytest.raises(PluginFault, match="method fit, check: 'harness_fake_grids:chek': harness_fake_grids has no 'chek'"):
        method_fault(Resolved(fit, NoConfig(), "test", "1/1"), registry().get(Model, "ddpm-mlp", where="here"), DataSpec((2,)))
