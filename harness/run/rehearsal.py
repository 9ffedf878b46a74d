"""A rehearsal of a board: every network at its full size on the meta device, its published names, and the memory of a step.

Imports torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import nn

from harness.board.bases import Base, Loaded
from harness.board.cells import Cell
from harness.errors import UserError, in_one_line
from harness.interfaces import DataSpec
from harness.plugins import registry
from harness.presets import Preset
from harness.stages.step_memory import StepMemory, built_on_meta, step_memory
from harness.training.config import TrainingConfig
from harness.weights.published_names import check_names, unlisted_parts

GIB = 2**30


@dataclass(frozen=True)
class Rehearsal:
    """The result of rehearsing some cells.

    Args:
        lines: a sentence for each base, and for the steps of methods that train on it.
        faults: networks that cannot be built, or that published files do not fit.
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
            network = built_on_meta(base.network, data)
        except Exception as error:  # whatever a plugin's code raises
            faults.append(f"base {base.name}: the network cannot be built: {in_one_line(error)}")
            continue
        memory = step_memory(network, base.network.spec_on(data))
        comparison, base_faults = _compared(base, network, memory.parameters)
        faults += base_faults
        lines.append(f"{base.name}: the network has {memory.parameters:,} parameters{comparison}")
        lines += _step_lines(base, cells, memory)
    return Rehearsal(tuple(lines), tuple(faults))


def _compared(base: Base, network: nn.Module, parameters: int) -> tuple[str, list[str]]:
    """Return how a network compares with what is published of its preset, and the faults.

    A file of the board's own may be of another size than the preset's, on purpose: a difference is then no fault.
    """
    preset = _preset(base)
    if preset is None or not isinstance(base.origin, Loaded):
        return "", []
    faults = _differences(preset, base, network, parameters)
    is_own = any(not file.part and file.published is None for file in base.origin.files)
    if faults and is_own and base.origin.model.settings != preset.config:
        return f"; the board's own file must hold it, which is not {preset.name} as published", []
    return ("" if faults else _as_published(preset)), [f"base {base.name}: {fault}" for fault in faults]


def _preset(base: Base) -> Preset | None:
    """Return the preset of a base; None where there is none."""
    if not isinstance(base.origin, Loaded) or not base.origin.weights.preset:
        return None
    return registry().presets.get(base.origin.weights.preset)


def _differences(preset: Preset, base: Base, network: nn.Module, parameters: int) -> list[str]:
    if parameters != preset.parameters:
        return [f"has {parameters:,} parameters, and {preset.parameters:,} are published"]
    try:
        check_names(preset, base.network.model.component, network)
    except UserError as error:
        return [str(error)]
    return []


def _as_published(preset: Preset) -> str:
    """Return what was found to be as published."""
    unlisted = unlisted_parts(preset)
    if "" in unlisted:
        return ", as published; no list of published names is known"
    parts = f"; no list is known for its {' and '.join(unlisted)}" if unlisted else ""
    of_base = " of its base's file" if preset.fine_tuned_by else ""
    return f", with the published names and shapes{of_base}{parts}"


def _step_lines(base: Base, cells: Sequence[Cell], memory: StepMemory) -> Iterator[str]:
    """Yield the memory of steps, once for all methods whose budgets take the same."""
    names: dict[str, list[str]] = {}
    for cell in cells:
        if cell.base.name == base.name and cell.trains:
            methods = names.setdefault(step_text(memory, cell.training), [])
            methods += [cell.method_name] if cell.method_name not in methods else []
    for text, methods in names.items():
        yield f"{base.name}, a step of {', '.join(methods)}: {text}"


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
