"""Network evaluations, counted where they happen."""

from __future__ import annotations

import torch
from torch import Tensor


class EvaluationCounter:
    """Counts examples that go through `forward` of the modules it watches. Guidance networks count: watch them all."""

    def __init__(self) -> None:
        self.examples = 0

    def watch(self, module: torch.nn.Module) -> torch.utils.hooks.RemovableHandle:
        """Count this module from now on; `remove()` the handle to stop."""
        return module.register_forward_pre_hook(self._hook)

    def _hook(self, module: torch.nn.Module, arguments: tuple[object, ...]) -> None:
        # Where torch.compile traces a module, its hooks are traced too: a total that grows would mean a new graph a call.
        if torch.compiler.is_compiling():
            torch.compiler.disable(self._count)(module, arguments)
        else:
            self._count(module, arguments)

    def _count(self, module: torch.nn.Module, arguments: tuple[object, ...]) -> None:
        first = arguments[0]
        assert isinstance(first, Tensor)
        self.examples += len(first)
