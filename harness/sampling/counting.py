"""Network evaluations, counted where they happen: in the `forward` of the networks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from harness.sampling import sharing


class EvaluationCounter:
    """Counts the examples that go through `forward` of the modules it watches.

    Guidance networks count like any other: watch them too. `examples` is the count so far; an example that goes through two
    watched networks, or twice through one, counts twice. `examples_with_graph` is how many of them went through while PyTorch
    kept a graph, so that gradients could be taken: gradients were enabled, and a parameter of the network or an argument asked
    for them.
    """

    def __init__(self) -> None:
        self.examples = 0
        self.examples_with_graph = 0

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Set both counts back after the block, also after a failure: what goes through networks there is counted elsewhere."""
        before = self.examples, self.examples_with_graph
        try:
            yield
        finally:
            self.examples, self.examples_with_graph = before

    def watch(self, module: torch.nn.Module) -> torch.utils.hooks.RemovableHandle:
        """Count the examples that go through this module from now on: the length of the first argument of its `forward`.

        Returns: a handle; `remove()` it to stop.
        """
        return module.register_forward_pre_hook(self._hook, with_kwargs=True)

    @contextmanager
    def watching(self, modules: Iterable[torch.nn.Module]) -> Iterator[None]:
        """Count these modules inside the block."""
        handles = [self.watch(module) for module in modules]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _hook(self, module: torch.nn.Module, arguments: tuple[Tensor, ...], named: Mapping[str, object]) -> None:
        # torch.compile traces the hooks of a module too. The count changes at each call, which would make it compile every time.
        if torch.compiler.is_compiling():
            torch.compiler.disable(self._count)(module, arguments, named)
        else:
            self._count(module, arguments, named)

    def _count(self, module: torch.nn.Module, arguments: tuple[Tensor, ...], named: Mapping[str, object]) -> None:
        rows = sharing.rows_counted(len(arguments[0]))
        self.examples += rows
        if torch.is_grad_enabled() and _asks_for_gradients([*arguments, *named.values()], module):
            self.examples_with_graph += rows


def _asks_for_gradients(arguments: Iterable[object], module: torch.nn.Module) -> bool:
    return any(isinstance(argument, Tensor) and argument.requires_grad for argument in arguments) or any(
        parameter.requires_grad for parameter in module.parameters()
    )
