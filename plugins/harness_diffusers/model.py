"""Build the network where diffusers is installed; elsewhere say how to install it."""

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
    """Build a DDPM with random weights for images of this shape.

    Raises: UserError when diffusers is not installed, for data that are no fitting images, and for settings that diffusers
    refuses together.
    """
    require_diffusers("model diffusers-unet")
    fits(config, ModelUsage(spec))
    from harness_diffusers.network import DiffusersDDPM

    try:
        return DiffusersDDPM(config, spec)
    except ValueError as error:
        raise UserError(f"model diffusers-unet: diffusers refuses the settings: {error}") from None
