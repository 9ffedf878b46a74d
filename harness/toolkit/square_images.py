"""What U-Nets ask of images, said before any work: importing this costs no torch."""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import UserError
from harness.interfaces import DataSpec


def channels_and_side(spec: DataSpec, *, levels: int, setting: str, model: str) -> tuple[int, int]:
    """Channels and pixels a side of square images that can be halved at each of the levels but the last.

    Args:
        setting: the model's setting whose length the number of levels is. model: its name. Both are for the message.
    Raises: UserError for data of another shape.
    """
    if len(spec.shape) != 3 or spec.shape[1] != spec.shape[2]:
        raise UserError(f"model {model}: needs square images, (channels, size, size), not data of shape {spec.shape}")
    if spec.shape[1] % 2 ** (levels - 1):
        raise UserError(
            f"model {model}: {levels} levels ({setting}) need a size divisible by {2 ** (levels - 1)}, "
            f"and the images are {spec.shape[1]}×{spec.shape[2]}"
        )
    return spec.shape[0], spec.shape[1]


def check_attention_resolutions(given: Sequence[int], side: int, *, levels: int, setting: str, model: str) -> None:
    """Attention is asked for at sizes that the levels have, side / 2^level: elsewhere it would silently be left out.

    Args:
        given: attn_resolutions. setting, model: as of `channels_and_side`.
    Raises: UserError that names the sizes there are.
    """
    there = [side >> level for level in range(levels)]
    if strange := [one for one in given if one not in there]:
        raise UserError(
            f"model {model}: attn_resolutions: no level has {', '.join(map(str, strange))}; "
            f"on {side}×{side} the levels ({setting}) have {', '.join(map(str, there))}"
        )
