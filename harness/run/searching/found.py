"""The result of a study: the best trial, where it lies in the space, and what all trials cost."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.board.bases import Pretrained
from harness.board.chosen_file import Chosen, ChosenFile, SearchCost, StudyFacts, TrialFacts, write
from harness.board.points import point_text
from harness.board.reading.chosen_settings import read_chosen
from harness.board.reading.searches import Dimension, pretrain_seed
from harness.board.reading.studies import Study
from harness.board.search_settings import Value
from harness.errors import UserError
from harness.run.searching.trials import Trial
from harness.statistics.paired import is_rounding
from harness.store import outputs
from harness.store.runs_folder import RunsFolder

EDGE = 0.05
"""The share of a range, at each end, that counts as its edge."""


def found(study: Study, trials: Sequence[Trial], runs: RunsFolder) -> StudyFacts | None:
    """Return what the file of chosen settings says of a study; None where no trial has a value."""
    done = [trial for trial in trials if trial.end == "done"]
    if not done:
        return None
    sign = -1 if study.column.higher_is_better else 1
    best = min(done, key=lambda trial: (sign * trial.values[-1], trial.number))
    return StudyFacts(
        settings=best.point,
        value=best.values[-1],
        metric=study.metric,
        measured="curve" if study.is_by_curve else "evaluation",
        trials=len(trials),
        seeds=study.search.seeds,
        edges=[] if best.kept_base else _edges(best, study),
        kept_base=best.kept_base,
        ties=[] if best.kept_base else _ties(best, done),
        cost=_cost(study, trials, runs),
        asked=study.search.asked,
        fixed=study.fixed,
        all_trials=[
            TrialFacts(number=trial.number, settings=trial.point, values=trial.values, end=trial.end)
            for trial in trials
            if trial.end != "running"
        ],
    ).sealed()


def _ties(best: Trial, done: Sequence[Trial]) -> list[str]:
    """Return the points of the other settings whose value is the best one's, each once."""
    tied = [trial for trial in done if trial.point != best.point and is_rounding(trial.values[-1], best.values[-1])]
    return list(dict.fromkeys(point_text(trial.point) for trial in tied))


def _edges(best: Trial, study: Study) -> list[str]:
    return [edge for dotted, value in best.point.items() if (edge := _edge(dotted, value, study.space[dotted]))]


def _edge(dotted: str, value: Value, dimension: Dimension) -> str:
    """Return a sentence where a value lies at an edge of its range, as both of two do; "" where it does not, and for words."""
    numbers = [choice for choice in dimension.choices if isinstance(choice, int | float) and not isinstance(choice, bool)]
    if not isinstance(value, int | float) or isinstance(value, bool) or len(numbers) < len(dimension.choices):
        return ""
    low, high = (min(numbers), max(numbers)) if numbers else (dimension.low, dimension.high)
    if numbers or dimension.is_whole:
        place = 0.0 if value == low else 1.0 if value == high else 0.5
    elif dimension.log:
        place = math.log(value / low) / math.log(high / low)
    else:
        place = (value - low) / (high - low)
    if EDGE < place < 1 - EDGE:
        return ""
    end = f"smallest, {low:g}" if place < 0.5 else f"largest, {high:g}"
    return f"{dotted} {value:g} lies at the edge of its values (the {end}): widen them"


def _cost(study: Study, trials: Sequence[Trial], runs: RunsFolder) -> SearchCost:
    """Add up what the cells of all trials cost, each once, and the base where the search alone has it."""
    cells = {key: cost for trial in trials for key, cost in trial.cells.items()}.values()
    images, seconds = _pretraining(study, runs)
    return SearchCost(
        images=sum(cell.images for cell in cells),
        network_evaluations=sum(cell.network_evaluations for cell in cells),
        seconds=round(sum(cell.seconds for cell in cells), 3),
        pretraining_images=images,
        pretraining_seconds=round(seconds, 3),
    )


def _pretraining(study: Study, runs: RunsFolder) -> tuple[int, float]:
    """Return images and seconds of the base's pretraining; zeros where the board has this base too."""
    base = study.example_cell.base
    if pretrain_seed(study.search) is None or not isinstance(base.origin, Pretrained):
        return 0, 0.0
    images, seconds = 0, 0.0
    step = base
    while isinstance(step.origin, Pretrained):
        images += step.origin.training.images
        facts = outputs.find_facts(runs, "base", step.key)
        taken = None if facts is None else facts.get("seconds")
        seconds += float(taken) if isinstance(taken, int | float) else 0.0
        if step.origin.after is None:
            break
        step = step.origin.after
    return images, seconds


def write_chosen(study: Study, facts: StudyFacts) -> Chosen:
    """Write a study into the file that the board names, beside the studies of other bases. Raises: UserError; StorageError.

    A file that cannot be used, since it was edited by hand, is of another search or of another version, is replaced.
    """
    path = study.folder / study.search.chosen
    others: dict[str, StudyFacts] = {}
    if path.exists():
        try:
            before = read_chosen(path, where=str(path), board=study.folder)
        except UserError:
            before = None
        if before is not None and (before.search, before.method) == (study.name, study.component):
            others = dict(before.studies)
    studies = {base: {**others, study.base: facts}[base] for base in study.search.bases if base in {**others, study.base: facts}}
    write(path, ChosenFile(search=study.name, method=study.component, studies=studies), str(study.folder))
    return Chosen(study.search.method, study.entry.label or study.search.method, study.search.chosen, study.base, facts, ())
