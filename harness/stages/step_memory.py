"""The memory of a training step of a network, found on the meta device, which takes none."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from harness.board.bases import Network
from harness.capabilities import Trains
from harness.errors import in_one_line
from harness.interfaces import DataSpec
from harness.sampling import latents

EXAMPLES = 2
"""Examples of the step that is taken. What a step keeps grows with their number."""


@dataclass(frozen=True)
class StepMemory:
    """The memory that a network takes in training.

    Args:
        parameters: number of trainable scalars.
        weight_bytes: bytes of all weights, trainable or not.
        example_bytes: bytes that a step of the pretraining loss keeps of each example for its backward pass, in float32; None
            where the step cannot be taken without values.
        reason: why it cannot.
    """

    parameters: int
    weight_bytes: int
    example_bytes: int | None
    reason: str = ""


@dataclass
class _Kept:
    """Sums the tensors that a forward pass keeps, each storage once. Weights are there without a step, and don't count."""

    known: set[int]
    storages: list[torch.UntypedStorage] = field(default_factory=list)

    def keep(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in self.known:  # on the meta device all addresses are zero
            self.known.add(storage._cdata)
            self.storages.append(storage)  # alive, so that no later storage gets its number
        return tensor

    @property
    def bytes(self) -> int:
        return sum(storage.nbytes() for storage in self.storages)


def built_on_meta(network: Network, data: DataSpec) -> nn.Module:
    """Build a network at its full size on the meta device.

    Args:
        data: what the board's dataset holds.
    Raises: UserError, and what plugins raise, where the network cannot be built there.
    """
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a tokenizer that loads its own file warns that a meta tensor takes no values
        return network.model.component.create(network.model.settings, network.spec_on(data))


def step_memory(module: nn.Module, spec: DataSpec) -> StepMemory:
    """Take a step of a network's pretraining loss on the meta device.

    Args:
        module: the network, which moves there.
        spec: what the network generates.
    """
    parameters = sum(value.numel() for value in module.parameters() if value.requires_grad)
    weight_bytes = sum(value.numel() * value.element_size() for value in module.state_dict().values())
    try:
        kept = _kept_bytes(module.to("meta").train(), spec)
    except Exception as error:  # code of plugins that asks for a value
        return StepMemory(parameters, weight_bytes, None, in_one_line(error))
    return StepMemory(parameters, weight_bytes, math.ceil(kept / EXAMPLES))


def _kept_bytes(module: nn.Module, spec: DataSpec) -> int:
    if not isinstance(module, Trains):
        raise TypeError("the network has no pretraining loss")
    x = torch.zeros(EXAMPLES, *latents.network_spec(module, spec).shape, device="meta")
    labels = torch.zeros(EXAMPLES, dtype=torch.int64, device="meta") if spec.classes else None
    tensors = [*module.parameters(), *module.buffers()]
    kept = _Kept({tensor.untyped_storage()._cdata for tensor in tensors})
    with torch.autograd.graph.saved_tensors_hooks(kept.keep, lambda tensor: tensor):
        loss = module.training_loss(x, labels, torch.Generator().manual_seed(0))
        bytes_kept = kept.bytes
        del loss
    return bytes_kept
