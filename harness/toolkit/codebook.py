"""The codes of a tokenizer: find the code nearest to a latent, and refuse a token that names no code."""

from __future__ import annotations

from torch import Tensor


def nearest_code(latents: Tensor, codes: Tensor) -> Tensor:
    """Return the index of the code (V, e) nearest to each latent (…, e), (…,) int64.

    |z - e|² = |z|² - 2 z·e + |e|², and |z|² is left out, because it is the same for all codes.
    """
    return (codes.square().sum(-1) - 2 * latents @ codes.T).argmin(-1)


def check_codes(tokens: Tensor, size: int) -> None:
    """Check that every token is the index of a code. Raises: ValueError unless all tokens are in [0, size)."""
    if tokens.numel() and not 0 <= int(tokens.min()) <= int(tokens.max()) < size:
        low, high = int(tokens.min()), int(tokens.max())
        raise ValueError(f"tokens run from {low} to {high}, but the codebook has codes 0 to {size - 1}")
