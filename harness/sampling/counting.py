"""Network evaluations, counted where they happen: in the `forward` of the networks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


class EvaluationCounter:
    """Counts the examples that go through `forward` of the modules it watches.

    Guidance networks count like any other: watch them too. `examples` is the count so far; an example that goes through two
    watched networks, or twice through one, counts twice.
    """

    def __init__(self) -> None:
        self.examples = 0

    def watch(self, module: torch.nn.Module) -> torch.utils.hooks.RemovableHandle:
        """Count the examples that go through this module from now on: the length of the first argument of its `forward`.

        Returns: a handle; `remove()` it to stop.
        """
        return module.register_forward_pre_hook(self._hook)

    @contextmanager
    def watching(self, modules: Iterable[torch.nn.Module]) -> Iterator[None]:
        """Count these modules inside the block."""
        handles = [self.watch(module) for module in modules]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _hook(self, module: torch.nn.Module, arguments: tuple[Tensor, ...]) -> None:
        # torch.compile traces the hooks of a module too. The count changes at each call, which would make it compile every time.
        if torch.compiler.is_compiling():
            torch.compiler.disable(self._count)(module, arguments)
        else:
            self._count(module, arguments)

    def _count(self, module: torch.nn.Module, arguments: tuple[Tensor, ...]) -> None:
        self.examples += len(arguments[0])
