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
from harness.weights.tensor_file import Shapes, check_shapes, shapes

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class TokenizerFile:
    """A safetensors file with a tokenizer's state dict.

    Args:
        path: of the file. sha256: in hexadecimal, which the file must have; None takes any.
        where: what a message about it begins with. ignored: beginning of names that the tokenizer has no use for.
    """

    path: Path
    sha256: str | None
    where: str
    ignored: tuple[str, ...] = ()

    def check(self, telling: Shapes, make: Callable[[], nn.Module]) -> None:
        """See that it has the tokenizer's tensors, all and no others: by its header, and by its hash where one is given.

        Args:
            telling: shapes that follow from settings which a user knows, for the first and clearest message.
            make: the tokenizer, built on the meta device: weights without numbers.
        Raises: UserError for a file that is missing, damaged, another one, or of another tokenizer.
        """
        found = {name: shape for name, shape in shapes(self.path, where=self.where).items() if self._counts(name)}
        if self.sha256 is not None:
            self._read()
        check_shapes(found, telling, where=self.where)
        import torch

        with torch.device("meta"):
            expected = {name: tuple(value.shape) for name, value in make().state_dict().items()}
        for name in sorted({*expected, *found}):
            if found.get(name) != expected.get(name):
                told = "is not there" if name not in found else f"is {found[name]}"
                wanted = "there is no such tensor" if name not in expected else f"they need {expected[name]}"
                raise UserError(f"{self.where} is not of a tokenizer with these settings: {name} {told}, but {wanted}")

    def load(self, tokenizer: nn.Module) -> None:
        """Put its weights into the tokenizer. Raises: UserError as `check`."""
        from safetensors import SafetensorError
        from safetensors.torch import load

        try:
            weights = load(self._read())
        except SafetensorError as error:
            raise UserError(f"{self.where} cannot be read: {error}") from error
        try:
            tokenizer.load_state_dict({name: value for name, value in weights.items() if self._counts(name)})
        except RuntimeError as error:
            raise UserError(f"{self.where} is not of a tokenizer with these settings: {error}") from error

    def _counts(self, name: str) -> bool:
        return not name.startswith(self.ignored)

    def _read(self) -> bytes:
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise UserError(f"{self.where} cannot be read: {error}") from error
        if self.sha256 not in (None, found := hashlib.sha256(content).hexdigest()):
            raise UserError(f"{self.where} has sha256 {found}, not {self.sha256}")
        return content
