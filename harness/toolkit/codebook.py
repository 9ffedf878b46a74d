"""The codes of a tokenizer: find the code nearest to a latent, refuse a token that names no code, tell tokens from images."""

from __future__ import annotations

import torch
from torch import Tensor


def nearest_code(latents: Tensor, codes: Tensor) -> Tensor:
    """Return the index of the code (V, e) nearest to each latent (…, e), (…,) int64.

    |z - e|² = |z|² - 2 z·e + |e|², and |z|² is left out, because it is the same for all codes.
    """
    return (codes.square().sum(-1) - 2 * latents @ codes.T).argmin(-1)


def check_codes(tokens: Tensor, size: int) -> None:
    """Check that every token is the index of a code. Raises: ValueError unless all tokens are in [0, size).

    Tokens on the meta device have no values, and pass.
    """
    if tokens.numel() and not tokens.is_meta and not 0 <= int(tokens.min()) <= int(tokens.max()) < size:
        low, high = int(tokens.min()), int(tokens.max())
        raise ValueError(f"tokens run from {low} to {high}, but the codebook has codes 0 to {size - 1}")


def are_tokens(x: Tensor, *, length: int, size: int) -> bool:
    """Return whether examples are tokens (B, L) int64, and no images, which are floats.

    Args:
        length: L. size: number of codes.
    Raises: ValueError for integers of another shape, or that name no code.
    """
    if x.dtype != torch.int64:
        return False
    if x.dim() != 2 or x.shape[1] != length:
        raise ValueError(f"tokens are {tuple(x.shape)}, not (B, {length})")
    check_codes(x, size)
    return True
