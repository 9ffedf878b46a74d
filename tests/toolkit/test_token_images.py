"""What models of image tokens ask of images, and of files without a tokenizer."""

import pytest
import torch
from torch import nn

from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.toolkit.token_images import check_image_size, with_tokenizer


def check(shape):
    check_image_size(DataSpec(shape), model="tiles", tokens=4, pixels=8, advice="change the tiles")


@pytest.mark.parametrize("channels", [1, 3])
def test_square_images_of_tokens_times_pixels_pass(channels):
    check((channels, 32, 32))


@pytest.mark.parametrize("shape", [(3, 32, 31), (3, 28, 28), (3, 31, 32), (32, 32), (2,), (1, 3, 32, 32)])
def test_other_data_are_named_with_what_to_change(shape):
    with pytest.raises(UserError) as error:
        check(shape)
    assert str(error.value) == (
        f"model tiles: 4 tokens a side of 8 pixels make images of 32×32, but the data has shape {shape}; change the tiles"
    )


def test_a_file_of_the_transformer_alone_gets_the_tokenizer():
    tokenizer = nn.Linear(2, 1)
    tensors = with_tokenizer({"head.weight": torch.zeros(3)}, tokenizer)
    assert set(tensors) == {"head.weight", "tokenizer.weight", "tokenizer.bias"}
    assert torch.equal(tensors["tokenizer.weight"], tokenizer.weight)


def test_a_file_that_holds_the_same_tokenizer_is_returned_as_it_is():
    tokenizer = nn.Linear(2, 1)
    stored = {"head.weight": torch.zeros(3), **{f"tokenizer.{name}": value for name, value in tokenizer.state_dict().items()}}
    assert with_tokenizer(stored, tokenizer) == stored
    assert with_tokenizer(stored, nn.Linear(2, 1, device="meta")) == stored


@pytest.mark.parametrize("other", [{"weight": torch.ones(1, 2), "bias": torch.ones(1)}, {"weight": torch.ones(1, 2)}])
def test_of_two_tokenizers_none_is_taken_in_silence(other):
    stored = {f"tokenizer.{name}": value for name, value in other.items()}
    with pytest.raises(UserError, match="it holds a tokenizer, and the settings name the file of another"):
        with_tokenizer(stored, nn.Linear(2, 1))
