"""Memory and operations of computing, found on the meta device, where tensors have shapes and no values."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.flop_counter import flop_registry

from harness.process.inference_precision import FULL, Precision
from harness.training.precision import is_half_on_meta

META = torch.device("meta")
LARGEST_KNOWN = 4096
"""Numbers of a tensor whose values are kept, at most: schedules and labels are small, and code asks for their values."""
MOST_OPERATIONS = 300_000
"""Operations of torch that are followed: some 20 seconds of a CPU."""
_aten = torch.ops.aten
_OF_CLIPPING = (_aten.linalg_vector_norm, _aten.mul_)
"""Operations of clipping, which takes the parameters one by one here, and all at once on a card.
Those of networks are left out too."""


class TooManyOperations(Exception):
    """More operations of torch than are followed."""


class MetaRecorder(TorchDispatchMode):
    """Counts memory and floating-point operations of what runs on the meta device inside of `recording`.

    Memory is that of the tensors that are alive at once, each storage once. A multiplication and an addition are two operations;
    those of products, convolutions and attention count, as in `torch.utils.flop_counter`.

    Small tensors that come from the CPU keep their values, and so does what is computed of them alone. Where code asks for a
    value that nobody knows, it gets 0 or True, which passes checks of ranges.

    Args:
        bytes, peak_bytes: of all tensors that are alive now, and that were alive at once.
        flops: operations by the precision that they would run in.
        launches: operations of torch that write a tensor, each of which a card gets as a kernel, at least; vector norms and
            multiplications in place are left out, since clipping is made of them.
        precision: of what runs now; None for that of a training step.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bytes = self.peak_bytes = 0
        self.flops: Counter[Precision] = Counter()
        self.launches = 0
        self.precision: Precision | None = None
        self._left = MOST_OPERATIONS
        self._storages: dict[int, weakref.ref[torch.UntypedStorage]] = {}
        self._values: dict[int, tuple[weakref.ref[Tensor], Tensor]] = {}

    def hold(self, module: nn.Module) -> None:
        """Count the tensors of a network, which were there before."""
        for tensor in (*module.parameters(), *module.buffers()):
            self._note(tensor)

    def follow(self, operations: int) -> None:
        """Follow so many operations from now on."""
        self._left = operations

    def __torch_dispatch__(
        self,
        func: torch._ops.OpOverload,
        types: Sequence[type],
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        named = dict(kwargs or {})
        self._left -= 1
        if self._left < 0:
            raise TooManyOperations("it takes more operations than are followed")
        if (asked := self._asked(func, args, named)) is not None:
            return asked
        out = func(*args, **named)
        if (formula := flop_registry.get(func._overloadpacket)) is not None:
            self.flops[self._precision_now] += int(formula(*args, **named, out_val=out))
        made = [leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor) and leaf.is_meta]
        if func._overloadpacket not in _OF_CLIPPING:
            self.launches += func._schema.is_mutable or any(self._is_new(tensor) for tensor in made)
        for tensor in made:
            self._note(tensor)
        if made and sum(tensor.numel() for tensor in made) <= LARGEST_KNOWN:
            self._follow_values(func, args, named, made)
        return out

    @property
    def _precision_now(self) -> Precision:
        if self.precision is not None:
            return self.precision
        return "bf16" if is_half_on_meta() else FULL

    def _is_new(self, tensor: Tensor) -> bool:
        return tensor.untyped_storage()._cdata not in self._storages  # else it is a view

    def _note(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        place, size = storage._cdata, storage.nbytes()
        if place in self._storages:
            return

        def gone(_: object) -> None:
            del self._storages[place]
            self.bytes -= size

        self._storages[place] = weakref.ref(storage, gone)
        self.bytes += size
        self.peak_bytes = max(self.peak_bytes, self.bytes)

    def _asked(self, func: torch._ops.OpOverload, args: Sequence[object], named: Mapping[str, object]) -> object:
        """Return the value that code asks for: a number, or a tensor for the CPU; None for any other operation."""
        tensor = args[0] if args else None
        if not isinstance(tensor, Tensor) or not tensor.is_meta:
            return None
        if func is _aten._local_scalar_dense.default:
            value = self._value(tensor)
            return _unknown(tensor.dtype) if value is None else value.item()
        if func is _aten._to_copy.default and torch.device(str(named.get("device", META))).type != "meta":
            value = self._value(tensor)
            return func(torch.zeros(tensor.shape, dtype=tensor.dtype) if value is None else value, **named)
        return None

    def _value(self, tensor: Tensor) -> Tensor | None:
        kept = self._values.get(id(tensor))
        return kept[1] if kept is not None and kept[0]() is tensor else None

    def _follow_values(
        self, func: torch._ops.OpOverload, args: Sequence[object], named: Mapping[str, object], made: Sequence[Tensor]
    ) -> None:
        """Compute small tensors on the CPU too, where all that they are made of is known."""
        given = [leaf for leaf in tree_leaves((args, named)) if isinstance(leaf, Tensor)]
        if func._schema.is_mutable or any(leaf.is_meta and self._value(leaf) is None for leaf in given):
            for tensor in made:
                self._values.pop(id(tensor), None)
            return
        if not given and torch.Tag.nondeterministic_seeded in func.tags:
            return
        on_cpu = {name: value for name, value in named.items() if name != "device"}
        if "device" in named:
            on_cpu["device"] = torch.device("cpu")

        def known(leaf: object) -> object:
            return self._value(leaf) if isinstance(leaf, Tensor) and leaf.is_meta else leaf

        try:
            values = tree_leaves(func(*tree_map(known, tuple(args)), **tree_map(known, on_cpu)))
        except RuntimeError:
            return  # a kernel that the CPU lacks: the value stays unknown
        for tensor, value in zip(made, values, strict=True):
            self._keep(tensor, value)

    def _keep(self, tensor: Tensor, value: Tensor) -> None:
        place = id(tensor)
        self._values[place] = (weakref.ref(tensor, lambda _: self._values.pop(place, None)), value)


def _unknown(kind: torch.dtype) -> float | bool:
    """Return a value in the place of an unknown one: it lies in every range that code checks."""
    if kind == torch.bool:
        return True
    return 0.0 if kind.is_floating_point else 0


class _CardAttention(TorchFunctionMode):
    """Attention as a card's kernels do it: no table of all pairs is kept, as torch's plain form on the meta device would."""

    def __torch_function__(
        self,
        func: Callable[..., object],
        types: Sequence[type],
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        if func is functional.scaled_dot_product_attention and isinstance(args[0], Tensor) and args[0].dim() in (3, 4):
            return cast("Callable[..., Tensor]", _attention)(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
) -> Tensor:
    """Return what the attention gives that keeps its results alone, (B, …, L, d). Arguments are torch's."""
    shape = (*query.shape[:-1], value.shape[-1])
    if query.dim() == 3:
        query, key, value = query[:, None], key[:, None], value[:, None]
    pairs = (*query.shape[:3], key.shape[2])
    bias = None if attn_mask is None else attn_mask.to(query.dtype).expand(pairs)
    keeps = torch.is_grad_enabled() and any(part.requires_grad for part in (query, key, value))
    mixed = _aten._scaled_dot_product_efficient_attention(query, key, value, bias, keeps, dropout_p, is_causal, scale=scale)
    return cast(Tensor, mixed[0]).reshape(shape)


@contextmanager
def recording(recorder: MetaRecorder) -> Iterator[None]:
    """Count what runs on the meta device in the block."""
    with _CardAttention(), recorder:
        yield


@contextmanager
def repeating(network: nn.Module, recorder: MetaRecorder) -> Iterator[None]:
    """Follow equal calls of a network without a graph once in the block: later ones count like the first.

    Calls are equal where the arguments have the same shapes and types: a sampler makes thousands of them.
    """
    forward, known = network.forward, dict[str, tuple[object, Counter[Precision], int]]()
    before_block = network.__dict__.get("forward")  # of a block around this one

    def repeated(*args: object, **named: object) -> object:
        if torch.is_grad_enabled():
            return forward(*args, **named)
        call = repr(tree_map(_form, ((args, named), network.training, recorder.precision)))
        if call in known:
            out, flops, launches = known[call]
            recorder.flops.update(flops)
            launches += recorder.launches  # those of the tensors made here are no part of it
            made = tree_map(lambda leaf: leaf.empty() if isinstance(leaf, _Form) else leaf, out)
            recorder.launches = launches
            return made
        before, launched = recorder.flops.copy(), recorder.launches
        out = forward(*args, **named)
        known[call] = tree_map(_form, out), recorder.flops - before, recorder.launches - launched
        return out

    network.__dict__["forward"] = repeated
    try:
        yield
    finally:
        del network.__dict__["forward"]
        if before_block is not None:
            network.__dict__["forward"] = before_block


class _Form:
    """The shape and type of a tensor."""

    def __init__(self, tensor: Tensor) -> None:
        self.shape, self.dtype = tuple(tensor.shape), tensor.dtype

    def __repr__(self) -> str:
        return f"{self.dtype}{self.shape}"

    def empty(self) -> Tensor:
        """Return a new tensor of this form."""
        return torch.empty(self.shape, dtype=self.dtype, device=META)


def _form(leaf: object) -> object:
    return _Form(leaf) if isinstance(leaf, Tensor) else leaf
