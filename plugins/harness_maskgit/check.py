"""Whether tokens, tokenizer and data fit each other, as far as settings and headers of files tell. Costs no torch."""

from __future__ import annotations

from pathlib import Path

from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.store.tensor_file import check_shapes, shapes
from harness_maskgit import MaskGITConfig


def fits(config: MaskGITConfig, spec: DataSpec) -> None:
    """Raises: UserError for images that the tokens do not give, or a tokenizer file of other sizes."""
    unit = config.tokenizer.downsample
    size = config.input_size * unit
    if len(spec.shape) != 3 or spec.shape[1:] != (size, size):
        raise UserError(
            f"model maskgit: {config.input_size} tokens a side of {unit} pixels make images of {size}×{size}, but "
            f"the data has shape {spec.shape}; change input_size, or the length of tokenizer.ch_mult"
        )
    tokenizer = config.tokenizer
    if tokenizer.weights is not None:
        where = f"model maskgit: tokenizer.weights {tokenizer.weights}"
        expected = {
            "quantize.embedding.weight": (tokenizer.codebook_size, tokenizer.embed_dim),
            "encoder.conv_in.weight": (tokenizer.ch, spec.shape[0], 3, 3),
        }
        check_shapes(shapes(Path(tokenizer.weights), where=where), expected, where=where)
