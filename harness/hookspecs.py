"""The plugin contract, on one page.

A plugin is an importable module, named in the entry-point group `harness` of its distribution, with functions marked
`@harness.hookimpl`. Its top module holds names, settings and summaries only; the heavy part is a lazy target.

*Provide* hooks are called once a process, when the command first needs a component. An exception in one marks that plugin
as broken (`harness list` shows the reason) and the others work.

*Listen* hooks are called where and when each one says. An exception in one is logged once, and the board goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pluggy

from harness.components import Dataset, Executor, Extractor, Method, Metric, Model, Sampler

if TYPE_CHECKING:
    from pathlib import Path

    from harness.board.cells import Cell
    from harness.presets import Preset
    from harness.store.records import Record

GROUP = "harness"
hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@hookspec
def harness_models() -> Sequence[Model]:  # type: ignore[empty-body]
    """Generative networks."""


@hookspec
def harness_presets() -> Sequence[Preset]:  # type: ignore[empty-body]
    """Published networks of the plugin's models, by name: settings, size, files of weights."""


@hookspec
def harness_methods() -> Sequence[Method]:  # type: ignore[empty-body]
    """Fine-tuning algorithms."""


@hookspec
def harness_metrics() -> Sequence[Metric]:  # type: ignore[empty-body]
    """Numbers from generated samples against real ones."""


@hookspec
def harness_extractors() -> Sequence[Extractor]:  # type: ignore[empty-body]
    """Networks that turn images into the features that metrics compare."""


@hookspec
def harness_datasets() -> Sequence[Dataset]:  # type: ignore[empty-body]
    """Reference data."""


@hookspec
def harness_samplers() -> Sequence[Sampler]:  # type: ignore[empty-body]
    """Ways to draw samples from a model."""


@hookspec
def harness_executors() -> Sequence[Executor]:  # type: ignore[empty-body]
    """Where cells run."""


@hookspec
def harness_run_started(board: str, cells: Sequence[Cell]) -> None:
    """Once a `harness run`, in the command's process, before the first job; `cells` are those that will run."""


@hookspec
def harness_step_logged(cell: str, step: int, steps: int, values: Mapping[str, float]) -> None:
    """Every `log_every` steps, in the process that trains. `cell` is the cell's (or the base's) name, `values` the means of
    the method's scalars since the last call."""


@hookspec
def harness_checkpoint_written(cell: str, step: int, folder: Path) -> None:
    """After each checkpoint is whole on disk, in the process that trains."""


@hookspec
def harness_cell_finished(cell: Cell, record: Record) -> None:
    """Once a cell, in the process that ran it, after its record is on disk."""


@hookspec
def harness_table_rendered(board: str, path: Path) -> None:
    """After a board's README.md (or other table file) was written, in the command's process."""
