"""What does not fit the data is a fault of the board, before any work and without torch."""

import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file

from harness.board.reading.load import load_board
from harness.errors import UserError

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


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        ({"quantize.embedding.weight": (32, 8)}, "quantize.embedding.weight is (32, 8), but they need (32, 4)"),
        ({"quantize.ema_vocab_hit_SV": (10, 32)}, "quantize.ema_vocab_hit_SV is (10, 32), but they need (3, 32)"),
        ({"encoder.conv_in.weight": (8, 3, 3, 3)}, "encoder.conv_in.weight is (8, 3, 3, 3), but they need (8, 1, 3, 3)"),
        ({"other": (1,)}, "has no tensor 'quantize.embedding.weight'"),
    ],
)
def test_the_tokenizer_of_another_transformer_is_told_by_its_files_header(tmp_path, stored, message):
    from harness.components import ModelUsage
    from harness.interfaces import DataSpec
    from harness_var import VARConfig
    from harness_var.check import fits
    from harness_var.tokenizer import VQVAE

    path = tmp_path / "tokenizer.safetensors"
    config = VARConfig(tokenizer={"weights": str(path)})
    right = VQVAE(config.tokenizer, config.patch_nums, channels=1).state_dict()
    save_file(right, path)
    fits(config, ModelUsage(DataSpec((1, 16, 16), 4)))
    wrong = {name: torch.zeros(shape) for name, shape in stored.items()}
    save_file(wrong if "other" in stored else {**right, **wrong}, path)
    with pytest.raises(UserError) as caught:
        fits(config, ModelUsage(DataSpec((1, 16, 16), 4)))
    assert message in str(caught.value)


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
    board = TEXT.replace("swiss-roll", "digits").replace("w2", "sliced-w2")
    model = f"{{name: {name}, {setting}: [1, 1], attn_resolutions: [16, 4]}}"
    with pytest.raises(UserError) as caught:
        load_board(write_board(board.replace("MODEL", model)), smoke=smoke)
    said = f"attn_resolutions: no level has 16; on 8×8 the levels ({setting}) have 8, 4"
    assert str(caught.value).endswith(f"board.yaml:5: model {name}: {said}")
    for fitting in ("[8, 4]", "[4]", "[]"):
        load_board(write_board(board.replace("MODEL", model.replace("[16, 4]", fitting))), smoke=smoke)


def test_the_default_of_attention_may_name_sizes_that_small_images_have_not(write_board):
    board = TEXT.replace("swiss-roll", "digits").replace("w2", "sliced-w2")
    load_board(write_board(board.replace("MODEL", "edm2-unet")))  # at 16 and 8, as published, on 8×8
