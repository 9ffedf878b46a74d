"""The check of a token transformer against its tokenizer's file, by the file's header alone."""

import hashlib

import pytest
import torch
from safetensors.torch import save_file

from harness.components import ModelUsage
from harness.errors import UserError
from harness.interfaces import DataSpec
from harness_var import VARConfig
from harness_var.check import fits
from harness_var.tokenizer import VQVAE


def of_file(path):
    return VARConfig(tokenizer={"weights": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()})


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
    path = tmp_path / "tokenizer.safetensors"
    right = VQVAE(VARConfig().tokenizer, VARConfig().patch_nums, channels=1).state_dict()
    save_file(right, path)
    fits(of_file(path), ModelUsage(DataSpec((1, 16, 16), 4)))
    wrong = {name: torch.zeros(shape) for name, shape in stored.items()}
    save_file(wrong if "other" in stored else {**right, **wrong}, path)
    with pytest.raises(UserError) as caught:
        fits(of_file(path), ModelUsage(DataSpec((1, 16, 16), 4)))
    assert message in str(caught.value)
