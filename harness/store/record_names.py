"""What records are called, here and in files."""

from __future__ import annotations


def row_name(base: str, method: str, size: int | None = None) -> str:
    """`base/method`; `base/method/n500` at one number of samples, where a board has several."""
    return f"{base}/{method}" + ("" if size is None else f"/n{size}")


def floor_name(metric: str, size: int | None = None) -> str:
    """`fid[fashion-cnn]`; `fid[fashion-cnn]__n500` at one number of samples, where a board has several."""
    return metric if size is None else f"{metric}__n{size}"  # no column's name has "__"
