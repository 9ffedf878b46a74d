"""Work of other code that a run would go on from: bases, trainings and checkpoints made before a component was edited."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from harness.board.cells import Cell
from harness.errors import UserError
from harness.run.changes import Change, changes
from harness.run.fresh import NOTHING, Fresh, bases_of
from harness.stages import sources
from harness.store import outputs
from harness.store.records import SourceFacts
from harness.store.runs_folder import RunsFolder


def earlier_code(cells: Iterable[Cell], runs: RunsFolder, fresh: Fresh = NOTHING) -> Iterator[tuple[str, tuple[Change, ...]]]:
    """Yield what the cells would go on from that other code has made, in whole or in part, with what was edited since.

    A record holds the code of all that it is made from, so the records of these cells will hold several versions of a component,
    which `publish` refuses. The names are `base edm` and `training of edm/ddo/s0`.

    Args:
        cells: the cells that would run.
        fresh: what the run makes anew, which does not go on from anything.
    """
    wanted = list(cells)
    anew = {base.key for base in bases_of(fresh.cells)} if fresh.bases else set()
    for base in bases_of(wanted):
        if base.key not in anew and (changed := changes(_sources(runs, "base", base.key))):
            yield f"base {base.full_name}", changed
    begun = set(_begun_trainings(runs))
    retrained = {cell.name for cell in fresh.cells}
    for cell in wanted if begun else ():  # a board has up to thousands of cells, and few of them are begun
        goes_on = cell.trains and cell.finetune_key in begun and cell.name not in retrained
        if goes_on and (changed := changes(_sources(runs, "finetune", cell.finetune_key))):
            yield f"training of {cell.name}", changed


def _sources(runs: RunsFolder, stage: str, key: str) -> list[SourceFacts]:
    """Return the code that made an output, or the checkpoints of an unfinished one; none where nothing can be read."""
    if not outputs.is_there(folder := runs.stage(stage, key)):
        return sources.of_unfinished(runs.work(stage, key))
    try:
        return sources.of_facts(outputs.read_facts(folder))
    except UserError:
        return []  # it is damaged: the run sets it aside


def _begun_trainings(runs: RunsFolder) -> Iterator[str]:
    """Yield the keys of the trainings that have an output or unfinished work."""
    outputs_folder, work = runs.stage("finetune", "any").parent, runs.work("finetune", "any")
    prefix = work.name.removesuffix("any")
    if outputs_folder.is_dir():
        yield from os.listdir(outputs_folder)
    if work.parent.is_dir():
        yield from (name.removeprefix(prefix) for name in os.listdir(work.parent) if name.startswith(prefix))
