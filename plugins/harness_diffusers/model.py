"""Builds the network when diffusers is there to build it with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.components import ModelUsage
from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.toolkit.optional_packages import require_diffusers
from harness_diffusers import UNet2DConfig
from harness_diffusers.check import fits

if TYPE_CHECKING:
    from harness_diffusers.network import DiffusersDDPM


def build(config: UNet2DConfig, spec: DataSpec) -> DiffusersDDPM:
    """A DDPM with random weights for images of this shape.

    Raises: UserError without diffusers, for data that is no fitting image, and for settings that diffusers refuses together.
    """
    require_diffusers("model diffusers-unet")
    fits(config, ModelUsage(spec))
    from harness_diffusers.network import DiffusersDDPM

    try:
        return DiffusersDDPM(config, spec)
    except ValueError as error:
        raise UserError(f"model diffusers-unet: diffusers says: {error}") from None
