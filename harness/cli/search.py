"""`harness search`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import value_completion
from harness.cli.arguments import AsJson, BoardPath, RunDevice, RunsDir, Smoke
from harness.cli.output import print_json, print_table, remark, result
from harness.cli.run import CheckpointSeconds, ExecutorName, Settings
from harness.cli.run_settings import run_settings
from harness.process import stop
from harness.store.runs_folder import RunsFolder

if TYPE_CHECKING:
    from harness.board.chosen_file import StudyFacts
    from harness.board.reading.studies import Study
    from harness.run.searching.search import SearchOptions
    from harness.run.start import RunOptions

Only = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="A search of the board; again for more. [default: all]",
        autocompletion=value_completion.searches_of_board,
    ),
]
Bases = Annotated[
    list[str] | None,
    typer.Option(
        "--base",
        metavar="NAME",
        help="A base; again for more. [default: all]",
        autocompletion=value_completion.searched_bases_of_board,
    ),
]
Trials = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Trials on each base, earlier ones included. [default: the board's]")
]
Jobs = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="K",
        help="Cells at once. Where they are more than the search has seeds, trials are asked together. "
        "[default: as for harness run, and one trial after the other]",
        show_default=False,
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what there is and what would run.")]


def search(
    board: BoardPath,
    only: Only = None,
    base: Bases = None,
    trials: Trials = None,
    jobs: Jobs = None,
    dry_run: DryRun = False,
    smoke: Smoke = False,
    runs_dir: RunsDir = None,
    device: RunDevice = None,
    executor: ExecutorName = None,
    settings: Settings = None,
    checkpoint_seconds: CheckpointSeconds = 30.0,
    as_json: AsJson = False,
) -> None:
    """Example: harness search leaderboards/swiss-roll --trials 40

    Search for settings of a board's methods, on seeds of the search's own, and write what is chosen. What is done is kept.
    """
    from harness.board.reading.studies import load_studies
    from harness.run.searching.search import SearchOptions
    from harness.run.start import RunOptions

    studies = load_studies(board, only or (), base or (), smoke=smoke)
    runs = RunsFolder.of(runs_dir, smoke=smoke)
    # `jobs` of a user's file counts below, as cells at once. Here it would ask for other trials, and files change no number.
    options = [SearchOptions(trials or study.search.trials, jobs or 1) for study in studies]
    if dry_run:
        for study, option in zip(studies, options, strict=True):
            result(_plan(study, option, runs))
        return
    chosen = run_settings(executor, "", settings or [], jobs=jobs, device=device)
    for line in chosen.remarks:
        remark(line)
    how = RunOptions(
        chosen.jobs, chosen.executor, chosen.device, checkpoint_seconds, resources=chosen.resources, devices=chosen.devices
    )
    facts = _search(studies, options, runs, how)
    _print(studies, facts, as_json)


def _plan(study: Study, options: SearchOptions, runs: RunsFolder) -> str:
    """Return a line such as `ddo on edm: 12 of 20 trials are over; …`.

    Images are those of all settings that the method tries in each round. Where budgets are searched, the line has both ends.
    """
    from harness.run.searching.search import trial_file

    over = sum(trial.end not in ("running", "failed") for trial in trial_file(study, runs).trials)
    budgets = study.budgets
    least, largest = min(budgets), max(budgets, key=sum)
    rungs = " → ".join(f"{images:,}" for images in least)
    up_to = "" if least == largest else f" up to {' → '.join(f'{images:,}' for images in largest)}"
    seeds = len(study.search.seeds)
    most = f"at most {max(0, options.trials - over) * seeds * sum(largest):,} training images"
    return (
        f"{study.label}: {over} of {options.trials} trials are over; a trial trains on {rungs}{up_to} images for "
        f"{seeds} {'seed' if seeds == 1 else 'seeds'}; {most}"
    )


def _search(
    studies: Sequence[Study], options: Sequence[SearchOptions], runs: RunsFolder, how: RunOptions
) -> list[StudyFacts | None]:
    """Run each study, and write what it chose. Raises: UserError; Interrupted after Ctrl-C."""
    from harness.cli.progress import show_progress
    from harness.run.boards import run_boards
    from harness.run.searching.found import found, write_chosen
    from harness.run.searching.search import run_search

    facts = []
    told: set[str] = set()

    def once(line: str) -> None:
        if line not in told:  # each batch of trials reads the same files of weights
            told.add(line)
            remark(line)

    for study, option in zip(studies, options, strict=True):
        with show_progress(runs) as on_event:
            run = partial(run_boards, runs=runs, options=how, on_event=on_event, on_remark=once)
            trials = run_search(study, runs, option, run, remark).trials
        stop.raise_on_signals()
        chosen = found(study, trials, runs)
        facts.append(chosen)
        if chosen is not None and not study.is_smoke:
            write_chosen(study, chosen)
            remark(f"wrote {study.folder / study.search.chosen}")
    return facts


def _print(studies: Sequence[Study], facts: Sequence[StudyFacts | None], as_json: bool) -> None:
    """Print what was found and what it cost. Raises: typer.Exit with 1 where a study found nothing, or a trial failed."""
    found = [(study, chosen) for study, chosen in zip(studies, facts, strict=True) if chosen is not None]
    if as_json:
        print_json([{"search": study.name, "base": study.base, **chosen.model_dump(mode="json")} for study, chosen in found])
    else:
        print_table([_row(study, chosen) for study, chosen in found])
    for study, chosen in found:
        for doubt in chosen.doubts:
            remark(f"{study.label}: {doubt}")
    if any(study.is_smoke for study in studies):
        remark("a smoke run, with tiny budgets: these numbers mean nothing, and no file of chosen settings was written")
    failed = [f"{study.label}: no trial has a value" for study, chosen in zip(studies, facts, strict=True) if chosen is None]
    for study, chosen in found:
        if number := sum(trial.end == "failed" for trial in chosen.all_trials):
            failed.append(f"{study.label}: {number} of {chosen.trials} trials; the next search tries them again")
    for line in failed:
        remark(f"failed: {line}")
    if failed:
        raise typer.Exit(1)


def _row(study: Study, chosen: StudyFacts) -> dict[str, str]:
    from harness.board.points import point_text
    from harness.cli.output import duration

    cost = chosen.cost
    return {
        "search": study.name,
        "base": study.base,
        "chosen": point_text(chosen.settings),
        chosen.metric: f"{chosen.value:.4g}",
        "trials": str(chosen.trials),
        "images": f"{cost.images:,}",
        "network evaluations": f"{cost.network_evaluations:,}",
        "time": duration(cost.seconds),
        **({"images of its own base": f"{cost.pretraining_images:,}"} if cost.pretraining_images else {}),
    }
