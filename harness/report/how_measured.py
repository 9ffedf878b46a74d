"""The section of a board's page that says how its numbers were measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from harness.board.bases import Base, Examples, Loaded, Network, Pretrained
from harness.board.board import Board
from harness.board.cells import Cell, Row
from harness.board.columns import Column
from harness.board.reading import smoke
from harness.board.samplers import EvaluationSampler
from harness.process.inference_precision import FULL
from harness.report.collect import Collection
from harness.report.every_setting import every_setting
from harness.report.extractor_versions import extractor_versions
from harness.report.markup import markdown_text
from harness.report.outcome import Outcome
from harness.report.phrases import INNER, budget, component, seed_ranges, where_only
from harness.report.reference_files import reference_files
from harness.training.config import TrainingConfig

ENVIRONMENT = {
    "harness_version": "finetune-harness",
    "commit": "commit",
    "python": "Python",
    "torch": "PyTorch",
    "numpy": "NumPy",
    "platform": "platform",
    "device": "device",
    "devices": "devices of a cell",
    "cuda": "CUDA",
    "tf32": "TF32",
    "deterministic": "deterministic kernels",
    "vector_instructions": "vector instructions",
    "cores": "cores of the machine",
    "cpu_threads": "threads a process",
}
"""Facts of a record's environment that a page shows, each with its name on the page."""
AGAINST = {
    "evaluation": "fresh draws of real examples",
    "train": "training examples",
    "train-all": "all training examples",
    "selection": "the examples that the curve compares with",
}
"""The real examples that a column compares with, by its setting `against`."""


TITLE = "How it was measured"


def protocol_section(collection: Collection) -> str:
    """Return the section of a page: how the numbers were measured, and every setting."""
    return f"## {TITLE}\n\n{protocol_list(collection)}\n\n{every_setting(collection.board)}"


def protocol_list(collection: Collection) -> str:
    """Return a list: dataset, evaluation, metrics, extractors, floor, bases, budgets, curve, environment."""
    board = collection.board
    items = [
        f"**Dataset**: {component(board.dataset)}.",
        evaluation_text(board),
        *(column_text(column, board.cells[0].evaluation.draws) for column in board.columns),
        *_extractors(collection),
        *_references(collection),
        f"**Floor**: {_floor(board)}.",
        *([samplers_text(board)] if board.samplers else []),
        *(base_text(bases, has_samplers=bool(board.samplers)) for bases in board.bases_by_name.values()),
    ]
    lines = [f"- {item}" for item in items]
    lines += _finetuning_lines(board)
    lines += [f"- {item}" for item in (*_curve(board), *environment_texts(collection.records.values()))]
    return "\n".join(lines)


def evaluation_text(board: Board) -> str:
    """Return how each cell was measured: draws, samples, seeds and the sampling batch."""
    evaluation = board.cells[0].evaluation
    draws = "one draw" if evaluation.draws == 1 else f"{evaluation.draws} independent draws"
    has_models = any(base.has_network for base in board.bases)
    examples = "generated and as many real examples" if has_models else "examples of the row's data and as many real ones"
    batch = f"; samples drawn {evaluation.batch:,} at a time" if has_models else ""
    seeds = seed_ranges(sorted({cell.seed for cell in board.cells}))
    value = "" if evaluation.draws == 1 else ", and the value of the cell is their mean"
    computed = "".join(_computed(board, has_models=has_models))
    return f"**Evaluation**: each cell has {draws} of {_sizes(board)} {examples}{value}; seeds {seeds}{batch}{computed}."


def _computed(board: Board, *, has_models: bool) -> Iterator[str]:
    """Yield in which precision samples are drawn and features extracted, where that is not float32."""
    evaluation = board.cells[0].evaluation
    if has_models and evaluation.sampling_precision != FULL:
        yield f"; networks sample in {evaluation.sampling_precision}"
    if evaluation.extraction_precision != FULL and any(column.extractor is not None for column in board.columns):
        yield f"; features are extracted in {evaluation.extraction_precision}"


def _sizes(board: Board) -> str:
    """Return the numbers of samples, smallest first: `1,000`; `500, 1,000 or 2,000`."""
    *others, largest = [f"{samples:,}" for samples in sorted({floor.samples for floor in board.floors})]
    return f"{', '.join(others)} or {largest}" if others else largest


def column_text(column: Column, evaluation_draws: int) -> str:
    """Return what a column measures, against which real examples, on how many of the evaluation's draws."""
    against = AGAINST[column.config.against]
    if (reference := column.reference) is not None:
        against = f"the published statistics `{reference.name}` of {reference.images:,} images"
    draws = ""
    if column.draws < evaluation_draws:
        draws = ", the first draw only" if column.draws == 1 else f", the first {column.draws} draws only"
    explodes = column.explodes_above
    limit = "" if explodes is None else f"; a value above {explodes:g} counts as diverged"
    features = "" if column.extractor is None else f" on features of {component(column.extractor)}"
    return f"**{markdown_text(column.label)}**: {component(column.metric)}{features}, against {against}{draws}{limit}."


def _extractors(collection: Collection) -> Iterator[str]:
    for name, version in extractor_versions(collection).items():
        yield f"**{markdown_text(name)}**: weights sha256 `{version.weights}`; images: {markdown_text(version.preprocessing)}."


def _references(collection: Collection) -> Iterator[str]:
    """Yield which images each published reference stands for, and its file. The hash is of the file that the records read."""
    read = reference_files(collection)
    references = {column.reference.name: column.reference for column in collection.board.columns if column.reference is not None}
    for name, reference in references.items():
        sha256 = read.get(name, reference.file.sha256)
        hashed = f"sha256 `{sha256}`" if sha256 else "not read yet, and no hash is published"
        pinned = "" if reference.file.sha256 or not sha256 else ", which nobody has published"
        yield (
            f"**{markdown_text(name)}**: mean and covariance of {reference.images:,} images, {markdown_text(reference.of)}; file "
            f"`{reference.file.name}`, {hashed}{pinned}."
        )


def _floor(board: Board) -> str:
    pairs_of_label = {floor.column.label: floor.pairs for floor in board.floors}
    pairs = ", ".join(f"{number} ({markdown_text(label)})" for label, number in pairs_of_label.items())
    draws = f"two independent draws of {_sizes(board)} real examples"
    training = any(floor.column.compares_with_training for floor in board.floors)
    instead = ", in a column against training examples between a draw and these" if training else ""
    if any(floor.column.compares_with_selection for floor in board.floors):
        instead += ", in a column against the curve's examples between a draw and these, where the dataset has as many"
    if any(floor.column.reference is not None for floor in board.floors):
        instead += ", in a column against published statistics between a draw and these, where the dataset has as many examples"
    return f"the metric between {draws}{instead}, mean ± standard deviation over pairs: {pairs}"


def samplers_text(board: Board) -> str:
    """Return the samplers that the evaluation compares; those of a sweep together, with all numbers of its setting."""
    entries: dict[str, list[EvaluationSampler]] = {}
    for sampler in board.samplers:
        entries.setdefault(sampler.name if sampler.point is None else sampler.point.sweep, []).append(sampler)
    texts = (_sampler_text(samplers) for samplers in entries.values())
    return f"**Samplers**: each draws from the same weights: {'; '.join(texts)}."


def _sampler_text(samplers: Sequence[EvaluationSampler]) -> str:
    """Return an entry of the evaluation's samplers, which is one sampler or those of a sweep."""
    first, point = samplers[0], samplers[0].point
    if point is None:
        return f"{markdown_text(first.label)}: {component(first.sampler)}"
    others = ", ".join(f"{each.point.value:.12g}" for each in samplers[1:] if each.point is not None)
    also = f", and with {point.setting} {others}" if others else ""
    return f"{markdown_text(point.label)}: {component(first.sampler)}{also}"


def base_text(bases: Sequence[Base], *, has_samplers: bool = False) -> str:
    """Return what a base is and how its weights were made, or which examples stand in the place of samples.

    Args:
        bases: the base, or those of one name that the board pretrains for several seeds.
        has_samplers: whether other samplers than the base's draw what is measured.
    """
    label, origin = markdown_text(bases[0].label), bases[0].origin
    if isinstance(origin, Examples):
        return f"**{label}**: {component(origin.dataset)}; its evaluation draws stand in the place of generated samples."
    weights = _weights([base.network for base in bases])
    sampled = "sampled in training" if has_samplers else "sampled"
    return f"**{label}**: {component(origin.model)}; {weights}; {sampled} by {component(origin.sampler)}."


def _weights(networks: Sequence[Network]) -> str:
    """Return where the weights of a network, or of the same network for several seeds, come from."""
    network = networks[0]
    if isinstance(network, Loaded):
        weights = network.weights
        if weights.is_stand_in:
            return f"random weights in the place of those of `{weights.preset}`"
        hashes = ", ".join(f"{file['part'] or 'file'} sha256 {_hash(file)}{_table(file)}" for file in weights.identity)
        note = f" — {markdown_text(weights.note)} —" if weights.note else ""
        return f"weights loaded{f' of `{weights.preset}`' if weights.preset else ''} ({hashes}){note}"
    steps = zip(*(other.steps for other in networks), strict=True)
    return "pretrained by " + "; then by ".join(map(_pretraining_step, steps))


def _hash(file: Mapping[str, str | None]) -> str:
    sha256 = file["sha256"]
    return "not pinned" if sha256 is None else f"`{sha256[:16]}…`"


def _table(file: Mapping[str, str | None]) -> str:
    return f", its table `{file['table']}`" if file.get("table") else ""


def _pretraining_step(step_of_seeds: Sequence[Pretrained]) -> str:
    """Return method, budget and seed of a step of pretraining, which a board may take once for each of several seeds."""
    step = step_of_seeds[0]
    seeds = list(dict.fromkeys(other.seed for other in step_of_seeds))
    seed = f"seed {step.seed}"
    if len(seeds) > 1:
        seed = f"once for each of the seeds {', '.join(map(str, seeds))}, from which the cells start in the order of their seeds"
    return f"{component(step.method)}: {budget(step.training)}, {seed}"


def _finetuning_lines(board: Board) -> list[str]:
    """Return the board's budget, and under it the settings of each method; nothing where no method trains."""
    training = _board_training(board)
    if training is None or not any(cell.trains for cell in board.cells):
        return []
    common = budget(training)
    return [f"- **Fine-tuning**: {common}, unless a method says otherwise:", *_method_lines(board, common)]


def _board_training(board: Board) -> TrainingConfig | None:
    training = board.config.training
    if training is None or not board.is_smoke:
        return training
    return smoke.training(board.config, training)


def _method_lines(board: Board, common: str) -> Iterator[str]:
    """Yield a line for each method that trains, with its budget where it is not the common one."""
    first_cells: dict[str, Cell] = {}
    for cell in board.cells:
        if cell.trains:
            first_cells.setdefault(cell.method_name, cell)
    for name, cell in first_cells.items():
        label = f"{markdown_text(cell.method_label)}{where_only(board.config.methods[name])}"
        own = budget(cell.training)
        yield f"{INNER}- {label}: {component(cell.method)}" + ("" if own == common else f"; {own}")


def _curve(board: Board) -> Iterator[str]:
    curve = board.cells[0].curve
    if curve is not None:
        yield (
            f"**Curve**: {curve.metric} at {_curve_points(board, curve.points + 1)}, at {curve.samples:,} samples on seeds "
            "apart from the evaluation's; where it selects weights, its network evaluations count as training."
        )


def _curve_points(board: Board, common: int) -> str:
    """Return at how many points the curve is measured, and of each method that has another number how many and where.

    Args:
        common: the number of points of a method without rounds.
    """
    rows = {cell.method_name: cell.row for cell in board.cells if cell.trains}
    others = [_points_of_rounds(row) for row in rows.values() if row.curve_points != common]
    return f"{common} points along training" + (f" ({'; '.join(others)})" if others else "")


def _points_of_rounds(row: Row) -> str:
    """Return how many points the curve of a row has in all, and in each round and for each candidate where there are several."""
    assert row.curve is not None, "a row without a curve has no points"
    plan = row.rounds_of_curve
    in_round = plan.points_of_round(row.curve.points, row.curve.points_in_round)
    text = f"{markdown_text(row.method_label)}: at {row.curve_points:,}"
    if in_round is not None:
        text += f", {in_round} in each of {plan.rounds} rounds" if plan.rounds > 1 else f", {in_round}"
        text += f" for each of {len(plan.candidates)} settings, where none diverges" if len(plan.candidates) > 1 else ""
    return text


def environment_texts(outcomes: Iterable[Outcome]) -> list[str]:
    """Return where the records were made, with every value that occurs; nothing where no record says so."""
    values_of: dict[str, set[str]] = {name: set() for name in ENVIRONMENT}
    for environment in {outcome.environment for outcome in outcomes}:
        for name, value in environment:
            if name in values_of and value:
                values_of[name].add(value)
    facts = [f"{label} {', '.join(sorted(values_of[name]))}" for name, label in ENVIRONMENT.items() if values_of[name]]
    return [f"**Environment**: {'; '.join(facts)}."] if facts else []
