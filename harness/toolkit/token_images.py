"""Check that a model of image tokens can take a dataset's images and its tokenizer's file.

Importing this module costs no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.errors import UserError
from harness.interfaces import DataSpec

if TYPE_CHECKING:
    from torch import Tensor, nn


def check_image_size(spec: DataSpec, *, model: str, tokens: int, pixels: int, advice: str) -> None:
    """Check that the model's tokens make images of the data's size.

    Args:
        model: name of the model, for the message.
        tokens: tokens a side of the finest grid. pixels: pixels a side of one token.
        advice: which settings to change, for the message.
    Raises: UserError unless the data are square images of tokens * pixels a side.
    """
    side = tokens * pixels
    if len(spec.shape) != 3 or spec.shape[1:] != (side, side):
        raise UserError(
            f"model {model}: {tokens} tokens a side of {pixels} pixels make images of {side}×{side}, "
            f"but the data has shape {spec.shape}; {advice}"
        )


def with_tokenizer(tensors: Mapping[str, Tensor], tokenizer: nn.Module) -> dict[str, Tensor]:
    """Return the tensors of a file of the transformer alone together with those of a tokenizer that is there already.

    The tokenizer's names begin with `tokenizer.`. A file that holds the same tokenizer is returned as it is.
    Raises: UserError for a file that holds another one.
    """
    from harness.weights.comparison import have_same_values

    own = {f"tokenizer.{name}": value for name, value in tokenizer.state_dict().items()}
    held = {name: value for name, value in tensors.items() if name.startswith("tokenizer.")}
    if held and not (held.keys() == own.keys() and all(have_same_values(held[name], value) for name, value in own.items())):
        raise UserError("it holds a tokenizer, and the settings name the file of another (tokenizer.weights): leave one out")
    return {**tensors, **(held or own)}
