"""The rows of a batch, shared out over the processes of a cell: each computes its own rows, and all get all results.

All processes of a cell run the same code on the same batch, with the same random numbers. Inside of `shared`, what a network
computes for a batch is computed by rows, each process its own, and gathered. Everything else of a step, such as losses,
normalisers over the batch, critics and baselines, sees the whole batch in every process, and knows of no devices.

Gradients: a tensor outside of a network's call has its true gradient, the same in all processes. Inside of the call a process has
N times the gradient of its own rows, N being the number of processes. So the mean over the processes of a weight's gradient is
the gradient of the whole batch: where a weight is used in calls, where it is used beside them, and where shares differ in length.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol, TypeVar, cast

import torch
from torch import Tensor

from harness.errors import UserError

T = TypeVar("T")


class NotShared(UserError):
    """A network whose batches cannot be shared out over processes; the message says why, and what to do."""


class Group(Protocol):
    """The processes that share rows. Each of them makes the same calls in the same order."""

    @property
    def rank(self) -> int:
        """The number of this process, from 0."""
        ...

    @property
    def size(self) -> int:
        """The number of processes, at least 2."""
        ...

    def gather(self, part: Tensor) -> list[Tensor]:
        """Return the tensors of all processes, which have one shape and type, by rank."""
        ...

    def mean_(self, tensor: Tensor) -> None:
        """Replace a tensor by its mean over all processes, the same bits in each."""
        ...


class Region:
    """A call that is being computed by rows.

    Args:
        n: rows of the whole batch; 0 where the call is not shared.
        own: rows of them that this process computes.
    """

    def __init__(self, n: int, own: slice) -> None:
        self.n, self.own = n, own

    @property
    def length(self) -> int:
        """The number of own rows."""
        return int(self.own.stop - self.own.start)


class _State(threading.local):
    """The state of this thread, since tests run the processes of a cell as threads."""

    group: Group | None = None
    region: Region | None = None
    averaged: Container[int] = ()


_state = _State()


def active() -> Group | None:
    """Return the group that shares the rows of batches now; None outside of `shared`."""
    return _state.group


def region() -> Region | None:
    """Return the call by rows that is going on; None outside of one."""
    return _state.region


def is_averaged(parameter: Tensor) -> bool:
    """Return whether the gradient of a weight is averaged where it is computed."""
    return id(parameter) in _state.averaged


@contextmanager
def shared(group: Group | None, averaged: Container[int] = ()) -> Iterator[None]:
    """Share the rows of batches inside the block; None shares nothing, as outside of all blocks.

    Args:
        averaged: ids of the weights whose gradients are averaged where they are computed.
    """
    before = _state.group, _state.region, _state.averaged
    _state.group, _state.region, _state.averaged = group, None, averaged
    try:
        yield
    finally:
        _state.group, _state.region, _state.averaged = before


def share(n: int, rank: int, size: int) -> slice:
    """Return the rows of a batch of n that a process computes: shares are contiguous, and differ in length by one at most."""
    return slice(n * rank // size, n * (rank + 1) // size)


def rows_counted(rows: int) -> int:
    """Return how many rows of the whole batch stand for rows that went through a network in a call by rows.

    A call that sends its rows through the network twice, as guidance does, counts them twice.
    """
    part = _state.region
    return rows if part is None else rows * part.n // part.length


def by_rows(function: Callable[..., T], *arguments: object, **named: object) -> T:
    """Call a function of a batch, whose first argument is a tensor (n, …), on own rows, and return what it gives for all rows.

    Tensors among the arguments whose first axis has the length n are cut, also inside of tuples, lists and mappings. Every
    tensor that the function gives must have one row for each row that it got. A batch of fewer rows than processes is computed
    whole in each process.

    Raises: NotShared for a result that has no rows.
    """
    group, first = _state.group, arguments[0]
    assert isinstance(first, Tensor), "the caller has looked"
    n = len(first)
    if group is None or n < group.size:
        return function(*arguments, **named)
    part = Region(n, share(n, group.rank, group.size))
    cut = cast("tuple[object, ...]", _changed(arguments, lambda tensor: _cut(tensor, group, part)))
    cut_named = cast("dict[str, object]", _changed(named, lambda tensor: _cut(tensor, group, part)))
    with _inside(part):
        computed = function(*cut, **cut_named)
    return cast(T, _changed(computed, lambda tensor: _joined(tensor, group, part)))


@contextmanager
def _inside(part: Region) -> Iterator[None]:
    _state.region = part
    try:
        yield
    finally:
        _state.region = None


def _changed(value: object, change: Callable[[Tensor], Tensor]) -> object:
    """Return a value with each tensor in it changed, through tuples, lists and mappings; named tuples keep their type."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, tuple):
        fields = [_changed(field, change) for field in value]
        return cast("Callable[..., object]", type(value))(*fields) if hasattr(value, "_fields") else tuple(fields)
    if isinstance(value, list):
        return [_changed(field, change) for field in value]
    if isinstance(value, Mapping):
        return {name: _changed(field, change) for name, field in value.items()}
    return value


def _cut(tensor: Tensor, group: Group, part: Region) -> Tensor:
    has_rows = tensor.dim() > 0 and len(tensor) == part.n
    if not (tensor.requires_grad and torch.is_grad_enabled()):
        return tensor[part.own] if has_rows else tensor
    return _Cut.of(tensor, group, part, 1.0) if has_rows else _Whole.of(tensor, group)


def _joined(tensor: Tensor, group: Group, part: Region) -> Tensor:
    if tensor.dim() == 0 or len(tensor) != part.length:
        raise NotShared(
            f"--devices {group.size}: the network gives a tensor of shape {tuple(tensor.shape)} for {part.length} examples, "
            "which has no row for each: its batches cannot be shared out; leave --devices out"
        )
    if tensor.requires_grad and torch.is_grad_enabled():
        return _Join.of(tensor, group, part, 1.0)
    return _gathered(tensor, group, part)


def _gathered(tensor: Tensor, group: Group, part: Region) -> Tensor:
    """Return the rows of all processes, in their order. Shares are filled up to one length, since a gather needs one shape."""
    longest = -(-part.n // group.size)
    padded = tensor.detach().contiguous()
    if len(padded) < longest:
        padded = torch.cat([padded, padded.new_zeros(longest - len(padded), *padded.shape[1:])])
    lengths = [share(part.n, rank, group.size) for rank in range(group.size)]
    return torch.cat([rows[: own.stop - own.start] for rows, own in zip(group.gather(padded), lengths, strict=True)])


class _Cut(torch.autograd.Function):
    """Own rows of a tensor that all processes have: its gradient is the rows' gradients of all processes, over N."""

    @staticmethod
    def of(tensor: Tensor, group: Group, part: Region, scale: float) -> Tensor:
        return cast(Tensor, _Cut.apply(tensor, group, part, scale))

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, tensor: Tensor, group: Group, part: Region, scale: float) -> Tensor:
        ctx.place = group, part, scale  # type: ignore[attr-defined]
        return scale * tensor[part.own]

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        group, part, scale = ctx.place  # type: ignore[attr-defined]
        return _Join.of(gradients[0], group, part, scale / group.size), None, None, None


class _Join(torch.autograd.Function):
    """The rows of all processes: the gradient of own rows is N times the gradient that all processes have of them."""

    @staticmethod
    def of(tensor: Tensor, group: Group, part: Region, scale: float) -> Tensor:
        return cast(Tensor, _Join.apply(tensor, group, part, scale))

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, tensor: Tensor, group: Group, part: Region, scale: float) -> Tensor:
        ctx.place = group, part, scale  # type: ignore[attr-defined]
        return scale * _gathered(tensor, group, part)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        group, part, scale = ctx.place  # type: ignore[attr-defined]
        return _Cut.of(gradients[0], group, part, scale * group.size), None, None, None


class _Whole(torch.autograd.Function):
    """A tensor without rows, given to a call by rows: its gradient is the mean of what the processes have inside of the call."""

    @staticmethod
    def of(tensor: Tensor, group: Group) -> Tensor:
        return cast(Tensor, _Whole.apply(tensor, group))

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, tensor: Tensor, group: Group) -> Tensor:
        ctx.group = group  # type: ignore[attr-defined]
        return tensor.clone()

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *gradients: Tensor) -> tuple[Tensor, None]:
        return cast(Tensor, _Mean.apply(gradients[0], ctx.group)), None  # type: ignore[attr-defined]


class _Mean(torch.autograd.Function):
    """The mean of a tensor over all processes; each gets the gradient of the mean as it is."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, tensor: Tensor, group: Group) -> Tensor:  # noqa: ARG004 - torch's signature
        mean = tensor.clone()
        group.mean_(mean)
        return mean

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *gradients: Tensor) -> tuple[Tensor, None]:  # noqa: ARG004
        return gradients[0], None
