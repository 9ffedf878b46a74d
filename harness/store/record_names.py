"""Names of table rows and of floors, which records carry inside and in the names of their files."""

from __future__ import annotations


def row_name(base: str, method: str, size: int | None = None) -> str:
    """Return the name of a row, `base/method`, or `base/method/n500` on a board that measures several numbers of samples.

    Args:
        size: the row's number of samples on such a board.
    """
    return f"{base}/{method}" + ("" if size is None else f"/n{size}")


def floor_name(metric: str, size: int | None = None) -> str:
    """Return the name of a floor, `fid[fashion-cnn]`, or `fid[fashion-cnn]__n500` for one of several numbers of samples."""
    return metric if size is None else f"{metric}__n{size}"  # the name of a metric never contains "__"
