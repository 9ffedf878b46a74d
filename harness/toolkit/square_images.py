"""Check that a U-Net can take the images of a dataset, before any work. Importing this module costs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from harness.errors import UserError
from harness.interfaces import DataSpec


def channels_and_side(spec: DataSpec, *, levels: int, setting: str, model: str, patch: int = 1) -> tuple[int, int]:
    """Return channels and pixels a side of what a network sees of square images, and can halve at each level but the last.

    Args:
        levels: number of levels; the network halves the image `levels - 1` times.
        setting: the model's setting whose length is the number of levels, for the message.
        model: name of the model, for the message.
        patch: pixels a side of the patches whose pixels the network sees as channels (`harness.toolkit.patches`).
    Raises: UserError for data that are no square images, or whose side cannot be halved so often.
    """
    if len(spec.shape) != 3 or spec.shape[1] != spec.shape[2]:
        raise UserError(f"model {model}: needs square images, (channels, size, size), not data of shape {spec.shape}")
    divisor = patch * 2 ** (levels - 1)
    if spec.shape[1] % divisor:
        patches = f" on patches of {patch}×{patch} pixels" if patch > 1 else ""
        raise UserError(
            f"model {model}: {levels} levels ({setting}){patches} need a size divisible by {divisor}, "
            f"and the images are {spec.shape[1]}×{spec.shape[2]}"
        )
    return spec.shape[0] * patch**2, spec.shape[1] // patch


class AttentionSettings(Protocol):
    """Settings of a U-Net with attention at some of its levels."""

    @property
    def attn_resolutions(self) -> Sequence[int]:
        """Pixels a side of the levels with attention."""
        ...

    @property
    def model_fields_set(self) -> set[str]:
        """Names of the settings that were given; the others have their defaults."""
        ...


def check_unet(config: AttentionSettings, spec: DataSpec, *, levels: int, setting: str, model: str, patch: int = 1) -> None:
    """Check that a U-Net with these settings can take the images. The arguments are those of `channels_and_side`.

    Raises: UserError for images that the levels cannot halve, and for attention at a size that was given and no level has. The
        default of `attn_resolutions` need not fit: a board with other images need not know of it.
    """
    _, side = channels_and_side(spec, levels=levels, setting=setting, model=model, patch=patch)
    if "attn_resolutions" in config.model_fields_set:
        check_attention_resolutions(config.attn_resolutions, side, levels=levels, setting=setting, model=model)


def check_attention_resolutions(resolutions: Sequence[int], side: int, *, levels: int, setting: str, model: str) -> None:
    """Check that attention is asked for at sizes that the levels have; a network would silently leave out any other.

    Args:
        resolutions: the setting `attn_resolutions`, in pixels a side.
        side: pixels a side of what the network sees of the images. Level k works at side / 2^k.
        levels, setting, model: as in `channels_and_side`.
    Raises: UserError, which names the sizes that the levels have.
    """
    sizes = [side >> level for level in range(levels)]
    if unknown := [resolution for resolution in resolutions if resolution not in sizes]:
        raise UserError(
            f"model {model}: attn_resolutions: no level has {', '.join(map(str, unknown))}; "
            f"on {side}×{side} the levels ({setting}) have {', '.join(map(str, sizes))}"
        )
