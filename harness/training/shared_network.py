"""A network whose batches several processes share: its calls are computed by rows, and its gradients are averaged.

The rows are shared out where the contract has them: in `forward`, through which every evaluation of a network goes, and in those
capabilities that give a number for each example, so that processes gather numbers and not logits of every token.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.autograd import Variable

from harness.capabilities import TrainsInParts
from harness.sampling import sharing
from harness.sampling.sharing import Group, NotShared

CAPABILITIES = ("training_loss_at", "augmented_loss_at", "log_likelihood", "weighted_bound", "tokenizer_terms")
"""Functions of capabilities that take a batch as their first argument, and give a row for each example."""
BUCKET = 2**25
"""Numbers that are averaged at once: 128 MB in float32."""


def share_network(network: nn.Module, *, is_compiled: bool = False) -> None:
    """Let a network share its batches inside of `sharing.shared`. Outside of it the network is as it was.

    The network's class changes to one that derives from it, as in torch's parametrizations, so that copies share too.

    Args:
        is_compiled: whether `torch.compile` will see the network: it must not trace what processes say to each other.
    """
    kind = type(network), is_compiled
    if kind not in _CLASSES:
        _CLASSES[kind] = _sharing_class(type(network), is_compiled=is_compiled)
    network.__class__ = _CLASSES[kind]


_CLASSES: dict[tuple[type[nn.Module], bool], type[nn.Module]] = {}


def _sharing_class(kind: type[nn.Module], *, is_compiled: bool) -> type[nn.Module]:
    forward = _forward(kind)
    if is_compiled:
        forward = torch.compiler.disable(forward, recursive=False)
    members: dict[str, object] = {"forward": forward, "__module__": kind.__module__, "__qualname__": kind.__qualname__}
    members |= {name: _capability(kind, name) for name in CAPABILITIES if hasattr(kind, name)}
    if all(hasattr(kind, name) for name in ("training_draw", "training_loss_at")):
        members["training_loss"] = _training_loss
    return type(kind.__name__, (kind,), members)


def _forward(kind: type[nn.Module]) -> Callable[..., object]:
    original = cast("Callable[..., object]", kind.forward)

    def forward(self: nn.Module, *arguments: object, **named: object) -> object:
        group = sharing.active()
        if group is None:
            return original(self, *arguments, **named)
        if sharing.region() is not None:
            return _without_randomness(original, group, self, *arguments, **named)
        if not arguments or not isinstance(arguments[0], Tensor):
            return original(self, *arguments, **named)

        def of_rows(*rows: object, **named_rows: object) -> object:
            return _without_randomness(original, group, self, *rows, **named_rows)

        return sharing.by_rows(of_rows, *arguments, **named)

    return forward


def _capability(kind: type[nn.Module], name: str) -> Callable[..., object]:
    original = cast("Callable[..., object]", getattr(kind, name))

    def capability(self: nn.Module, x: Tensor, *arguments: object, **named: object) -> object:
        if sharing.active() is None or sharing.region() is not None:
            return original(self, x, *arguments, **named)

        def of_rows(rows: Tensor, *others: object, **named_others: object) -> object:
            return original(self, rows, *others, **named_others)

        return sharing.by_rows(of_rows, x, *arguments, **named)

    return capability


def _training_loss(self: TrainsInParts, x: Tensor, labels: Tensor | None, generator: torch.Generator) -> Tensor:
    """Return the training loss by its two halves, which the contract says are the same: the draw is that of the whole batch."""
    return self.training_loss_at(x, labels, self.training_draw(x, generator))


def _without_randomness(function: Callable[..., object], group: Group, *arguments: object, **named: object) -> object:
    """Call a network on some rows. Raises: NotShared where it draws random numbers: those of a row would depend on the shares."""
    if not torch.is_grad_enabled():
        return function(*arguments, **named)
    before = _random_states()
    computed = function(*arguments, **named)
    if any(not torch.equal(state, then) for state, then in zip(_random_states(), before, strict=True)):
        raise NotShared(
            f"--devices {group.size}: the network draws random numbers while it computes (dropout?), and these would depend on "
            "the number of devices: set its dropout to 0, or leave --devices out"
        )
    return computed


def _random_states() -> list[Tensor]:
    states = [torch.get_rng_state()]
    if torch.cuda.is_initialized():
        states.append(torch.cuda.get_rng_state())
    return states


class GradientMeans:
    """Averages the gradients of a network's weights at the end of each backward pass, while `is_on`.

    So a weight's `grad` is that of the whole batch wherever a method reads it. `Optimizer` averages the gradients of other
    weights, such as a critic's: they are equal in all processes up to what kernels round differently.
    """

    def __init__(self, group: Group) -> None:
        self.group, self.is_on = group, False
        self.places: dict[int, int] = {}
        """Places of the watched weights, by their ids."""
        self._watched: list[Tensor] = []
        self._touched: dict[int, Tensor] = {}

    def watch(self, parameters: Iterable[Tensor]) -> None:
        """Average the gradients of these weights from now on; of those that ask for gradients, and each once."""
        for parameter in parameters:
            if parameter.requires_grad and id(parameter) not in self.places:
                self.places[id(parameter)] = len(self._watched)
                self._watched.append(parameter)
                parameter.register_post_accumulate_grad_hook(self._note)

    def _note(self, parameter: Tensor) -> None:
        if not self.is_on:
            return
        if not self._touched:
            Variable._execution_engine.queue_callback(self._average)
        self._touched[self.places[id(parameter)]] = parameter

    def _average(self) -> None:
        touched, self._touched = self._touched, {}
        average_gradients([touched[place] for place in sorted(touched)], self.group)


def average_gradients(parameters: Sequence[Tensor], group: Group) -> None:
    """Replace the gradients that are there by their means over all processes, some at a time."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    bucket: list[Tensor] = []
    for gradient in gradients:
        if bucket and (sum(map(torch.numel, bucket)) + gradient.numel() > BUCKET or bucket[0].dtype != gradient.dtype):
            _average(bucket, group)
            bucket = []
        bucket.append(gradient)
    if bucket:
        _average(bucket, group)


@torch.no_grad()
def _average(gradients: Sequence[Tensor], group: Group) -> None:
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    group.mean_(flat)
    for gradient, mean in zip(gradients, flat.split([gradient.numel() for gradient in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))
