"""The choice of critic and value network: those of the published toy experiments, or those of its image experiments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from harness.components import MethodUsage
from harness.errors import UserError
from harness.interfaces import DataSpec
from harness_sft_pg import SFTPGConfig, ShortcutConfig

if TYPE_CHECKING:
    import torch

    from harness_sft_pg.networks import ValueNetwork

PUBLISHED_SIDE = 32
"""Smallest number of pixels a side that the published image critic takes: it halves the image three times."""
SMALLEST_SIDE = 4
"""Pixels a side of the kernel of the critic's last layer, which must fit into what the halvings leave."""


def kind(setting: Literal["auto", "toy", "image"], spec: DataSpec) -> Literal["toy", "image"]:
    """Return `toy` or `image` for a setting; "auto" is `image` for images that the published image critic takes."""
    if setting != "auto":
        return setting
    return "image" if len(spec.shape) == 3 and min(spec.shape[1:]) >= PUBLISHED_SIDE else "toy"


def halvings(spec: DataSpec) -> int:
    """Return how many convolutions of stride 2 stand before the critic's last one: three as published, fewer for small images.

    Raises: UserError for data that are no images, or images of fewer than 4 pixels a side.
    """
    _check_image(spec)
    return min(3, (min(spec.shape[1:]) // SMALLEST_SIDE).bit_length() - 1)


def check(config: ShortcutConfig, usage: MethodUsage) -> None:
    """Check that the networks can take the data, and that these have grey levels where `sft-pg` is to round to them.

    It imports no torch. Raises: UserError when they cannot.
    """
    if isinstance(config, SFTPGConfig) and config.grey_levels and (reason := usage.lacks_levels):
        raise UserError(f"{reason}, which sft-pg needs for grey_levels: {config.grey_levels}; leave it out")
    if kind(config.critic, usage.data) == "image":
        _check_image(usage.data)


def critic(config: ShortcutConfig, spec: DataSpec) -> torch.nn.Module:
    """Make the critic, with weights of 0 until `initialise` draws them. Raises: UserError as `halvings` does."""
    from harness_sft_pg.image_networks import ImageCritic
    from harness_sft_pg.networks import Critic

    if kind(config.critic, spec) == "toy":
        return Critic(spec.shape, config.critic_width)
    return ImageCritic(spec.shape[0], config.critic_features, halvings=halvings(spec))


def value(config: SFTPGConfig, spec: DataSpec, steps: int) -> ValueNetwork:
    """Make the value network of a chain of so many steps, with weights of 0 until `initialise` draws them."""
    from harness_sft_pg.image_networks import ImageValue
    from harness_sft_pg.networks import Value

    if kind(config.value, spec) == "toy":
        return Value(spec.shape, steps, config.critic_width)
    return ImageValue(spec.shape, steps, config.value_widths)


def initialise(module: torch.nn.Module, generator: torch.Generator) -> None:
    """Draw all parameters of a critic or a value network, of either kind, as the published code of its kind does."""
    from harness_sft_pg import image_networks, networks

    is_image = isinstance(module, image_networks.ImageCritic | image_networks.ImageValue)
    (image_networks.initialise_images if is_image else networks.initialise)(module, generator)


def _check_image(spec: DataSpec) -> None:
    """Check that the image critic can take the data. Raises: UserError when it cannot."""
    if len(spec.shape) != 3:
        raise UserError(f"`critic: image` needs images, not data of shape {spec.shape}; take `critic: toy`")
    if min(spec.shape[1:]) < SMALLEST_SIDE:
        raise UserError(
            f"`critic: image` needs images of {SMALLEST_SIDE} pixels a side, not of shape {spec.shape}; take `critic: toy`"
        )
