"""The hooks that a plugin may implement, on one page.

A plugin is an importable module. The entry-point group `harness` of its distribution names it, and functions of the module
are marked with `@harness.hookimpl`. The top module of a plugin holds names, settings and summaries only. The code that needs
torch stands in other modules, which are named by lazy targets (`harness.targets`).

*Provide* hooks are called once in each process, when a command first needs a component. An exception in a provide hook marks its
plugin as broken: `harness list` shows the reason, and all other plugins work.

While a plugin is imported and its provide hooks are called, what it prints goes to stderr, and it can end neither the process nor
the command: `sys.exit`, `os._exit` and a KeyboardInterrupt of its own mark it as broken. So does an import that takes longer than
60 seconds, or 600 for the module of a target; $HARNESS_IMPORT_SECONDS sets another limit. $HARNESS_DISABLE_PLUGINS names plugins
to leave out, separated by commas.

*Listen* hooks report an event; the docstring of each says when and in which process it is called. An exception or SystemExit
in a listen hook is logged, once in a run, and the board goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pluggy

from harness.components import Dataset, Executor, Extractor, Method, Metric, Model, Sampler, Tracker

if TYPE_CHECKING:
    from pathlib import Path

    from harness.board.cells import Cell
    from harness.presets import Preset
    from harness.references import Reference
    from harness.store.records import Record

GROUP = "harness"
hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@hookspec
def harness_models() -> Sequence[Model]:  # type: ignore[empty-body]
    """Return the generative networks of the plugin."""


@hookspec
def harness_presets() -> Sequence[Preset]:  # type: ignore[empty-body]
    """Return the published networks of the plugin's models: names, settings, sizes, files of weights."""


@hookspec
def harness_references() -> Sequence[Reference]:  # type: ignore[empty-body]
    """Return published statistics of real images, which a column can compare with: files, and what they are of."""


@hookspec
def harness_methods() -> Sequence[Method]:  # type: ignore[empty-body]
    """Return the fine-tuning methods of the plugin."""


@hookspec
def harness_metrics() -> Sequence[Metric]:  # type: ignore[empty-body]
    """Return the metrics of the plugin."""


@hookspec
def harness_extractors() -> Sequence[Extractor]:  # type: ignore[empty-body]
    """Return the networks of the plugin that turn images into the features that metrics compare."""


@hookspec
def harness_datasets() -> Sequence[Dataset]:  # type: ignore[empty-body]
    """Return the datasets of the plugin."""


@hookspec
def harness_samplers() -> Sequence[Sampler]:  # type: ignore[empty-body]
    """Return the samplers of the plugin."""


@hookspec
def harness_executors() -> Sequence[Executor]:  # type: ignore[empty-body]
    """Return the executors of the plugin."""


@hookspec
def harness_trackers() -> Sequence[Tracker]:  # type: ignore[empty-body]
    """Return the trackers of the plugin, which `harness run --track NAME` switches on."""


@hookspec
def harness_run_started(board: str, cells: Sequence[Cell], runs: Path) -> None:
    """Called once in each `harness run`, in the process of the command, before the first job.

    Args:
        board: name of the board.
        cells: the cells that will run.
        runs: the runs folder; smoke runs have a folder of their own.
    """


@hookspec
def harness_step_logged(
    board: str, cell: str, step: int, steps: int, values: Mapping[str, float], runs: Path, config: Mapping[str, object]
) -> None:
    """Called in the process that trains: every `--log-every` steps (by default 100), at the last step, at points of the curve.

    After a kill, training goes on from its last checkpoint, and logs the steps since then again.

    Args:
        board: name of the board. Two boards may have cells of one name.
        cell: name of the cell, or of the base that is pretrained.
        step: number of steps taken.
        steps: number of steps in all.
        values: the mean of each scalar that the method logged since the last such call; at a point of the curve, only `curve`.
        runs: the runs folder.
        config: the method with its settings, the budget and the seed, as JSON values: `method`, `training`, `seed`.
    """


@hookspec
def harness_checkpoint_written(board: str, cell: str, step: int, folder: Path, runs: Path, config: Mapping[str, object]) -> None:
    """Called after each checkpoint has been written completely, in the process that trains.

    Args:
        folder: the folder of the checkpoint. The other arguments are those of `harness_step_logged`.
    """


@hookspec
def harness_cell_finished(cell: Cell, record: Record, runs: Path) -> None:
    """Called once for each cell that ran, after its record is on disk, in the process that ran the cell.

    Args:
        cell: the cell; `cell.board` is the name of its board.
        record: the record of its result.
        runs: the runs folder.
    """


@hookspec
def harness_table_rendered(board: str, path: Path) -> None:
    """Called after the page of a board was written, in the process of the command.

    Args:
        board: name of the board.
        path: the page, README.md.
    """
