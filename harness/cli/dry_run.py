"""`harness run --dry-run` and `--rehearse`: the plan, what is absent, and estimates of what the cells take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.cli.changed_code import questions
from harness.cli.output import print_json, print_table, remark, result
from harness.errors import Faults, UserError

if TYPE_CHECKING:
    from harness.board.board import Board
    from harness.board.cells import Cell
    from harness.cli.estimate_text import EstimateText
    from harness.cli.run_plan import RunPlan
    from harness.process.cards import Card
    from harness.run.fresh import Fresh
    from harness.run.needs import Needs
    from harness.store.runs_folder import RunsFolder


@dataclass(frozen=True)
class DryRun:
    """How a dry run shows itself.

    Args:
        as_json: whether the plan is JSON.
        rehearses: whether networks are compared with what is published, and steps of methods are taken without values.
        card: the card that hours are estimated for; None where none is named.
    """

    as_json: bool
    rehearses: bool
    card: Card | None

    def show(self, plan: RunPlan, board: Board, cells: Sequence[Cell], runs: RunsFolder, anew: Fresh) -> None:
        """Print the plan, what is absent, and estimates. Raises: Faults for what is here and cannot be used.

        Args:
            anew: what the plan makes anew.
        """
        from harness.run.needs import Needs

        needs = Needs(board, tuple(state.cell for state in plan.waiting), tuple(plan.floors))
        packages = needs.absent_packages()  # without them no network can be built
        estimates = None if packages else self._estimates(needs)
        if self.as_json:
            print_json(_cells_as_json(plan, estimates))
        else:
            for line in (*plan.lines(), *questions(board, plan.states, runs, anew)):
                result(line)
        _check(needs, packages)
        if self.rehearses:
            _rehearse(board, cells)
        if estimates is not None and not self.as_json:
            print_table(estimates.table())
            for sentence in estimates.sentences():
                result(sentence)

    def _estimates(self, needs: Needs) -> EstimateText | None:
        """Estimate the cells that would run; None where nobody asked and their networks are small, or where none can be built."""
        from harness.cli.estimate_text import EstimateText

        if not any(base.has_network for base in needs.bases) or (data := needs.known_data) is None:
            return None
        from harness.run.downloads import downloads
        from harness.run.estimates import LARGE, Estimator

        in_full = self.rehearses or self.card is not None
        if in_full:
            remark("estimating: steps are taken and samples drawn without values, which takes seconds for each network")
        estimator = Estimator(data, in_full=in_full)
        sizes = [estimator.size(base) for base in needs.bases if base.has_network]
        if not in_full and all(size is None or size.parameters < LARGE for size in sizes):
            return None
        rows = list(estimator.rows(needs.cells))
        if not rows:
            return None
        encodes = any(row.size.kept_bytes for row in rows)
        to_fetch = downloads(needs.bases, lambda base: None if (size := estimator.size(base)) is None else size.weight_bytes)
        return EstimateText(rows, self.card, needs.training_examples if encodes else None, to_fetch)


def estimate_card(name: str | None, device: str) -> Card | None:
    """Return the card that hours are estimated for; None where no name is given.

    Args:
        name: of a card; `here` for that which a run on `device` would use.
    Raises: UserError for an unknown name, and where no card is here or nothing is known of it.
    """
    from harness.cli.estimate_text import on_card
    from harness.process import cards, devices

    if name is None or name != cards.HERE:
        return None if name is None else cards.card(name)
    if (here := devices.card_here(device)) is None:
        raise UserError(f"--card {name}: no card is here; name one, such as h100")
    if (known := cards.recognised(here.name)) is None:
        raise UserError(f"--card {name}: nothing is known of {here.name}; name a card that is like it, such as h100")
    return on_card(known, here.memory_bytes)


def plan(board: Board, cells: Sequence[Cell], anew: Fresh, runs: RunsFolder, jobs: int, *, keep_published: bool) -> RunPlan:
    """Return the plan of a run. Nothing is written: published records count as done without being copied."""
    from harness.cli.run_plan import RunPlan, copied_of, counted_bases, with_published
    from harness.report import adopt_bases
    from harness.report.adopt import adoptable
    from harness.run import setting_paths
    from harness.run.fresh import check_measurable, planned
    from harness.run.pending_bases import pending_bases

    try:
        runs.check_permissions()
    except UserError as error:
        remark(f"a run would stop: {error}")  # who may only read a shared folder may ask what is left to run
    setting_paths.checked(board, runs)
    of_runs = RunPlan(*planned(board, cells, anew, runs), jobs)
    there: set[str] = set()
    took: dict[str, float] = {}
    if keep_published:
        for line in adopt_bases.mismatches(board, cells, runs):
            remark(line)
        there = {base.key for base, _ in adopt_bases.adoptable(board, cells, runs)}
        took = adopt_bases.seconds(board)
        if there:
            remark(f"{counted_bases(len(there))} would be copied into {runs.root} and taken as trained")
        published = adoptable(board, runs)
        check_measurable(copied_of(anew.remeasured, published), runs)
        remark(f"{len(published)} published records would be copied into {runs.root} and taken as done")
        of_runs = with_published(of_runs, anew, published)
    waiting = [state.cell for state in of_runs.waiting]
    return replace(of_runs, bases=pending_bases(board, waiting, runs, anew=anew.bases, there=there, took=took))


def _cells_as_json(plan: RunPlan, estimates: EstimateText | None) -> list[dict[str, object]]:
    """Return the cells as JSON. Those that would run hold the bases that are trained before them, and the estimate of their row.

    Cells share both.
    """
    from harness.cli.estimate_text import as_json

    rows = {} if estimates is None else {row.name: as_json(row, estimates.card) for row in estimates.rows}
    return [{**state.as_json(), **(_before(state.cell, plan, rows) if state.needs_a_run else {})} for state in plan.states]


def _before(cell: Cell, plan: RunPlan, rows: Mapping[str, object]) -> dict[str, object]:
    from harness.run.pending_bases import waited_for

    trained = [
        {"base": each.base.full_name, "key": each.base.key, "seconds": each.seconds} for each in waited_for(cell, plan.bases)
    ]
    return {"bases_to_train": trained, **({"estimate": rows[name]} if (name := _row(cell)) in rows else {})}


def _row(cell: Cell) -> str:
    return f"{cell.base.name}/{cell.method_name}"


def _check(needs: Needs, packages: list[str]) -> None:
    """Say what is absent. packages: those that are. Raises: Faults for what is here and cannot be used."""
    absent = [*packages, *needs.absent_files()]
    for fault in absent:
        remark(f"absent, and needed to run: {fault}")
    if packages:
        return  # without them no network can be built, with which weights are compared
    faults = [*needs.unfit_data(), *needs.missing_targets()] or needs.unbuildable_networks() or needs.unfit_usages()
    if not faults:
        for text in needs.weights_remarks():
            remark(text)
        faults = [*([] if absent else needs.lacking_data()), *needs.unfit_weights()]
    if faults:
        raise Faults(dict.fromkeys(faults))


def _rehearse(board: Board, cells: Sequence[Cell]) -> None:
    """Print the sizes of networks. Raises: Faults where a network cannot be built, or is not the published one."""
    from harness.run.needs import Needs
    from harness.run.rehearsal import rehearse

    needs = Needs(board, tuple(cells), ())
    if (data := needs.known_data) is None:
        raise UserError(f"--rehearse: the shape of {board.dataset.name} is known from its data alone, which are absent")
    rehearsal = rehearse(needs.bases, data)
    for line in rehearsal.lines:
        result(line)
    if rehearsal.faults:
        raise Faults(rehearsal.faults)
