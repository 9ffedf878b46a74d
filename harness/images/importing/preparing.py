"""An image of a source as a store holds it: decoded, of as many channels as all, of one size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.errors import UserError
from harness.images.decode import decode
from harness.images.importing.resizing import NONE, RULES, resized

COLOUR, GREY = 3, 1


@dataclass(frozen=True)
class Preparation:
    """The steps from a file to the pixels that a store holds.

    Args:
        rule: `none`, or a key of RULES.
        size: height and width after the rule; None with `none`.
        channels: 3 makes grey and CMYK images RGB, 1 takes grey images alone, and None takes images as they are.
    """

    rule: str = NONE
    size: int | None = None
    channels: int | None = None

    def check(self) -> None:
        """Raises: UserError unless rule and size go together."""
        rules = ", ".join((NONE, *RULES))
        if self.rule != NONE and self.rule not in RULES:
            raise UserError(f"--resize {self.rule}: there is no such rule; there are {rules}")
        if self.rule == NONE and self.size is not None:
            raise UserError(f"--size {self.size}: say by which rule with --resize: {', '.join(RULES)}")
        if self.rule != NONE and self.size is None:
            raise UserError(f"--resize {self.rule}: say to which size with --size, e.g. --size 64")

    def apply(self, content: bytes | NDArray[np.uint8], name: str) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
        """Return the pixels (C, H, W) uint8, and the properties of the image that its stored pixels leave out.

        Args: name: the image, with which messages begin.
        Raises: UserError for an image that is damaged, that would lose something, or that the rule is not for.
        """
        unapplied: tuple[str, ...] = ()
        if isinstance(content, bytes):
            decoded = decode(content, where=name, to_rgb=self.channels == COLOUR)
            pixels, unapplied = decoded.pixels, decoded.unapplied
        else:
            pixels = content
        if self.channels == COLOUR and len(pixels) == GREY:
            pixels = np.repeat(pixels, COLOUR, axis=0)
        if self.rule == NONE or self.size is None:
            return pixels, unapplied
        try:
            return resized(pixels, self.rule, self.size), unapplied
        except UserError as error:
            raise UserError(f"{name}: {error}") from None


def described(shape: tuple[int, ...]) -> str:
    """Return the shape (C, H, W) of an image in words: `grey, 32x28`."""
    channels, height, width = shape
    return f"{'grey' if channels == GREY else 'in colour'}, {width}x{height}"


def mixture(name: str, shape: tuple[int, ...], first: tuple[int, ...], preparation: Preparation) -> UserError:
    """Return the error for an image of another shape than the images before it, with advice."""
    if shape[0] != first[0] and preparation.channels == GREY:
        advice = "--channels 1 takes grey images alone"
    elif shape[0] != first[0]:
        advice = "add --channels 3, which makes grey images RGB"
    else:
        advice = "bring all to one size: --size N --resize center-crop (or center-crop-dhariwal, as ADM and EDM2 do)"
    return UserError(f"{name} is {described(shape)}, and the images before it are {described(first)}; {advice}")
