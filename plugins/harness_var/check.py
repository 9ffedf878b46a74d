"""Whether scales, tokenizer and data fit each other, as far as settings and headers of files tell. Costs no torch."""

from __future__ import annotations

from pathlib import Path

from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.store.tensor_file import check_shapes, shapes
from harness_var import VARConfig


def fits(config: VARConfig, spec: DataSpec) -> None:
    """Raises: UserError for images that scales and tokenizer do not give, or a tokenizer file of other sizes."""
    sides, unit = config.patch_nums, config.tokenizer.downsample
    size = sides[-1] * unit
    if len(spec.shape) != 3 or spec.shape[1:] != (size, size):
        raise UserError(
            f"model var: {sides[-1]} tokens a side of {unit} pixels make images of {size}×{size}, but the data "
            f"has shape {spec.shape}; change the last of patch_nums, or the length of tokenizer.ch_mult"
        )
    tokenizer = config.tokenizer
    if tokenizer.weights is not None:
        where = f"model var: tokenizer.weights {tokenizer.weights}"
        expected = {
            "quantize.embedding.weight": (tokenizer.vocab_size, tokenizer.z_channels),
            "quantize.ema_vocab_hit_SV": (len(sides), tokenizer.vocab_size),
            "encoder.conv_in.weight": (tokenizer.ch, spec.shape[0], 3, 3),
        }
        check_shapes(shapes(Path(tokenizer.weights), where=where), expected, where=where)
