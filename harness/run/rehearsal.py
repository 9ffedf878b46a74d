"""A rehearsal of a board: every network at its full size on the meta device, and the memory of a step. Imports torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.board.bases import Base, Loaded
from harness.board.cells import Cell
from harness.errors import in_one_line
from harness.interfaces import DataSpec
from harness.plugins import registry
from harness.stages.step_memory import StepMemory, step_memory
from harness.training.config import TrainingConfig

GIB = 2**30


@dataclass(frozen=True)
class Rehearsal:
    """The result of rehearsing some cells.

    Args:
        lines: a sentence for each base and each method that trains on it.
        faults: networks that cannot be built, or have another number of parameters than is published.
    """

    lines: tuple[str, ...]
    faults: tuple[str, ...]


def rehearse(cells: Sequence[Cell], bases: Sequence[Base], data: DataSpec) -> Rehearsal:
    """Build the networks of these bases and estimate a step of each method that trains on them. Nothing is downloaded.

    Args:
        data: what the board's dataset holds.
    """
    lines: list[str] = []
    faults: list[str] = []
    for base in bases:
        if not base.has_network:
            continue
        try:
            memory = step_memory(base.network, data)
        except Exception as error:  # whatever a plugin's code raises
            faults.append(f"base {base.name}: the network cannot be built: {in_one_line(error)}")
            continue
        published = _published(base)
        if published not in (None, memory.parameters):
            faults.append(f"base {base.name}: has {memory.parameters:,} parameters, and {published:,} are published")
        as_published = ", as published" if published == memory.parameters else ""
        lines.append(f"{base.name}: the network has {memory.parameters:,} parameters{as_published}")
        lines += _step_lines(base, cells, memory)
    return Rehearsal(tuple(lines), tuple(faults))


def _published(base: Base) -> int | None:
    """Return the number of parameters that the preset of a base gives; None where there is no preset."""
    if not isinstance(base.origin, Loaded) or not base.origin.weights.preset:
        return None
    preset = registry().presets.get(base.origin.weights.preset)
    return None if preset is None else preset.parameters


def _step_lines(base: Base, cells: Sequence[Cell], memory: StepMemory) -> Iterator[str]:
    trainings = {cell.method_name: cell.training for cell in cells if cell.base.name == base.name and cell.trains}
    for name, training in trainings.items():
        yield f"{base.name}/{name}: {step_text(memory, training)}"


def step_text(memory: StepMemory, training: TrainingConfig) -> str:
    """Return what a step of a budget takes at least: by the pretraining loss, with Adam, and a second copy of averaged weights.

    A method with a reference, or with other networks, takes more.
    """
    scalars = 4 * memory.parameters
    state = memory.weight_bytes + 3 * scalars + (scalars if training.ema is not None else 0)
    examples = training.micro_batch or training.batch
    text = f"weights, gradients, Adam and average {state / GIB:.1f} GiB"
    if memory.example_bytes is None:
        return f"{text}; activations not known ({memory.reason})"
    kept = memory.example_bytes * examples
    return (
        f"{text}; activations of {examples:,} examples {kept / GIB:.1f} GiB in float32, by the pretraining loss; at least "
        f"{(state + kept) / GIB:.1f} GiB in all"
    )
