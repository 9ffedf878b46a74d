"""Check that a U-Net can take the images of a dataset, before any work. Importing this module costs no torch."""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import UserError
from harness.interfaces import DataSpec


def channels_and_side(spec: DataSpec, *, levels: int, setting: str, model: str) -> tuple[int, int]:
    """Return channels and pixels a side of square images that a network can halve at each of its levels but the last.

    Args:
        levels: number of levels; the network halves the image `levels - 1` times.
        setting: the model's setting whose length is the number of levels, for the message.
        model: name of the model, for the message.
    Raises: UserError for data that are no square images, or whose side cannot be halved so often.
    """
    if len(spec.shape) != 3 or spec.shape[1] != spec.shape[2]:
        raise UserError(f"model {model}: needs square images, (channels, size, size), not data of shape {spec.shape}")
    if spec.shape[1] % 2 ** (levels - 1):
        raise UserError(
            f"model {model}: {levels} levels ({setting}) need a size divisible by {2 ** (levels - 1)}, "
            f"and the images are {spec.shape[1]}×{spec.shape[2]}"
        )
    return spec.shape[0], spec.shape[1]


def check_attention_resolutions(resolutions: Sequence[int], side: int, *, levels: int, setting: str, model: str) -> None:
    """Check that attention is asked for at sizes that the levels have; a network would silently leave out any other.

    Args:
        resolutions: the setting `attn_resolutions`, in pixels a side.
        side: pixels a side of the images. Level k works at side / 2^k.
        levels, setting, model: as in `channels_and_side`.
    Raises: UserError, which names the sizes that the levels have.
    """
    sizes = [side >> level for level in range(levels)]
    if unknown := [resolution for resolution in resolutions if resolution not in sizes]:
        raise UserError(
            f"model {model}: attn_resolutions: no level has {', '.join(map(str, unknown))}; "
            f"on {side}×{side} the levels ({setting}) have {', '.join(map(str, sizes))}"
        )
