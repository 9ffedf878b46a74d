"""The file of a trained tokenizer that a token model's settings name: checked before any work, loaded with the model.

Importing this module costs no torch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UserError
from harness.paths import BoardPath
from harness.store.keys import file_sha256
from harness.store.reading import open_regular
from harness.weights.tensor_file import Shapes, check_shapes, shapes

if TYPE_CHECKING:
    from torch import nn


def check_pinned(weights: BoardPath | None, sha256: str | None) -> None:
    """Check that settings which name a tokenizer's file have its hash too: keys hold the settings, and no file's content.

    Raises: ValueError, for a validator of settings. The message has the file's hash where the file is there.
    """
    if weights is None and sha256 is not None:
        raise ValueError("sha256 is the hash of a file, and `weights` names none: name the file, or leave sha256 out")
    if weights is None or sha256 is not None:
        return
    try:
        advice = f"`sha256: {file_sha256(weights.path)}`, which the file has now"
    except OSError as error:
        advice = f"its hash, as `sha256sum` prints it (it cannot be read here: {error.strerror})"
    raise ValueError(f"results depend on the content of {weights}, and no hash pins it: write beside `weights` {advice}")


@dataclass(frozen=True)
class TokenizerFile:
    """A safetensors file that holds a tokenizer's state dict.

    Args:
        path: where the file is.
        sha256: hash that the file must have, in hexadecimal; None takes any file. Settings of models must have one
            (`check_pinned`), since keys hold the settings alone.
        where: beginning of every message about the file.
        ignored: beginnings of the names of tensors that the tokenizer has no use for, such as those of a discriminator.
    """

    path: Path
    sha256: str | None
    where: str
    ignored: tuple[str, ...] = ()

    def check(self, known_shapes: Shapes, make: Callable[[], nn.Module]) -> None:
        """Check that the file has all tensors of the tokenizer and no others. Only the header is read, unless there is a hash.

        Args:
            known_shapes: shapes that follow from settings which users know. They are compared first, because a message about
                them is the clearest.
            make: builds the tokenizer; it is called on the meta device, where weights have shapes and no numbers.
        Raises: UserError for a file that is missing, damaged, another file than the hash says, or of another tokenizer.
        """
        stored = {name: shape for name, shape in shapes(self.path, where=self.where).items() if self._is_used(name)}
        if self.sha256 is not None:
            self._read()
        check_shapes(stored, known_shapes, where=self.where)
        import torch

        with torch.device("meta"):
            expected = {name: tuple(value.shape) for name, value in make().state_dict().items()}
        for name in sorted({*expected, *stored}):
            if stored.get(name) != expected.get(name):
                present = "is not there" if name not in stored else f"is {stored[name]}"
                wanted = "there is no such tensor" if name not in expected else f"they need {expected[name]}"
                raise UserError(f"{self.where} is not of a tokenizer with these settings: {name} {present}, but {wanted}")

    def load(self, tokenizer: nn.Module) -> None:
        """Put the file's weights into the tokenizer. Raises: UserError, as `check` does."""
        from safetensors import SafetensorError
        from safetensors.torch import load

        try:
            weights = load(self._read())
        except SafetensorError as error:
            raise UserError(f"{self.where} cannot be read: {error}") from error
        try:
            tokenizer.load_state_dict({name: value for name, value in weights.items() if self._is_used(name)})
        except RuntimeError as error:
            fault = " ".join(str(error).split())
            raise UserError(f"{self.where} is not of a tokenizer with these settings: {fault}") from error

    def _is_used(self, name: str) -> bool:
        return not name.startswith(self.ignored)

    def _read(self) -> bytes:
        """The file's content. Raises: UserError when it cannot be read, or has another hash."""
        try:
            with open_regular(self.path) as file:
                content = file.read()
        except OSError as error:
            raise UserError(f"{self.where} cannot be read: {error}") from error
        if self.sha256 not in (None, actual := hashlib.sha256(content).hexdigest()):
            raise UserError(f"{self.where} has sha256 {actual}, not {self.sha256}")
        return content
