"""The parts of a board's page that say how it was made and what it cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from harness.board.bases import Base, Examples, Loaded, Network, Pretrained
from harness.board.board import Board
from harness.board.columns import Column
from harness.board.components import Resolved
from harness.board.schema import MethodConfig
from harness.components import Component
from harness.report.collect import Collection
from harness.report.extractors import used
from harness.report.formats import markdown_text
from harness.report.outcome import Outcome, mean
from harness.report.table import count, seconds
from harness.training.config import TrainingConfig

ENVIRONMENT = {
    "harness_version": "finetune-harness",
    "commit": "commit",
    "python": "Python",
    "torch": "PyTorch",
    "numpy": "NumPy",
    "platform": "platform",
    "device": "device",
    "cores": "cores of the machine",
    "cpu_threads": "threads a process",
}


def run_command(board: Board) -> str:
    """The command that made the records of a runs folder."""
    return f"harness run {board.folder}{' --smoke' if board.is_smoke else ''}"


def commands(board: Board, *, is_published: bool) -> str:
    """How the page was made."""
    if not is_published:
        return f"Made by `{run_command(board)}`." + ("" if board.is_smoke else f" Protocol {board.config.protocol}.")
    path = f"leaderboards/{board.name}"
    return f"Made by `harness run {path}`, then `harness publish {path}`. Protocol {board.config.protocol}."


def measured(collection: Collection) -> str:
    """Dataset, evaluation, metrics, floor, budgets, environment."""
    board = collection.board
    lines = [
        f"**Dataset**: {component(board.dataset)}.",
        _evaluation(board),
        *(_column(board, column) for column in board.columns),
        *_extractors(collection),
        f"**Floor**: {_floor(board)}.",
        *(_base(base) for base in board.bases),
        *_finetuning(board),
        _curve(board),
        *_environment(collection.records.values()),
    ]
    return "## How it was measured\n\n" + "\n".join(_item(line) for line in lines if line)


def _item(line: str) -> str:
    return line if line.startswith("  - ") else f"- {line}"


def component(resolved: Resolved[Component]) -> str:
    """A component with the settings that the board gives it, and its version."""
    given = resolved.settings.model_dump(mode="json", exclude_unset=True)
    settings = ", ".join(f"{key}: {_plain(value)}" for key, value in given.items())
    return f"`{resolved.name}`" + (f" ({markdown_text(settings)})" if settings else "") + f", version {resolved.version}"


def _plain(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_plain(inner)}" for key, inner in value.items()) + "}"
    return str(value)


def _evaluation(board: Board) -> str:
    evaluation = board.cells[0].evaluation
    draws = "one draw" if evaluation.draws == 1 else f"{evaluation.draws} independent draws"
    has_models = any(base.has_network for base in board.bases)
    generated = "generated and as many real examples" if has_models else "examples of the row's data and as many real ones"
    batch = f"; samples drawn {evaluation.batch:,} at a time" if has_models else ""
    return (
        f"**Evaluation**: {draws} of {_sizes(board)} {generated} a cell, whose mean is "
        f"the cell's value; seeds {seeds(sorted({cell.seed for cell in board.cells}))}{batch}."
    )


def _sizes(board: Board) -> str:
    """`1,000`; `500, 1,000 or 2,000`, smallest first."""
    *others, largest = [f"{samples:,}" for samples in sorted({floor.samples for floor in board.floors})]
    return f"{', '.join(others)} or {largest}" if others else largest


def _finetuning(board: Board) -> list[str]:
    """Budgets; nothing where no method trains."""
    training = _board_training(board)
    if training is None or not any(cell.trains for cell in board.cells):
        return []
    return [f"**Fine-tuning**: {budget(training)}, unless a method says otherwise:", *_own_budgets(board, budget(training))]


def _column(board: Board, column: Column) -> str:
    against = "training examples" if column.compares_with_training else "fresh draws of real examples"
    fewer = column.draws < board.cells[0].evaluation.draws
    only = "" if not fewer else ", the first draw only" if column.draws == 1 else f", the first {column.draws} draws only"
    explodes = column.explodes_above
    limit = "" if explodes is None else f"; a value above {explodes:g} counts as diverged"
    features = "" if column.extractor is None else f" on features of {component(column.extractor)}"
    return f"**{markdown_text(column.label)}**: {component(column.metric)}{features}, against {against}{only}{limit}."


def _extractors(collection: Collection) -> list[str]:
    return [
        f"**{markdown_text(name)}**: weights sha256 `{one.weights}`; images: {markdown_text(one.preprocessing)}."
        for name, one in used(collection).items()
    ]


def _floor(board: Board) -> str:
    pairs = {floor.column.label: floor.pairs for floor in board.floors}
    said = ", ".join(f"{number} ({markdown_text(label)})" for label, number in pairs.items())
    return (
        f"the metric between two independent draws of {_sizes(board)} real examples, mean ± standard deviation over pairs: {said}"
    )


def _base(base: Base) -> str:
    label, origin = markdown_text(base.label), base.origin
    if isinstance(origin, Examples):
        return f"**{label}**: {component(origin.dataset)}, its draws in the place of generated samples."
    return f"**{label}**: {component(origin.model)}; {_weights(origin)}; sampled by {component(origin.sampler)}."


def _weights(network: Network) -> str:
    """Where the network's weights come from."""
    if isinstance(network, Loaded):
        weights = network.weights
        hashes = ", ".join(f"{file['part'] or 'file'} sha256 `{str(file['sha256'])[:16]}…`" for file in weights.identity)
        return f"weights loaded{f' of `{weights.preset}`' if weights.preset else ''} ({hashes})"
    return "pretrained by " + "; then by ".join(_step(step) for step in network.steps)


def _step(step: Pretrained) -> str:
    return f"{component(step.method)}: {budget(step.training)}, seed {step.seed}"


def _averaging(training: TrainingConfig) -> str:
    if training.ema is None:
        return ""
    if isinstance(training.ema, float):
        return f", weights averaged with decay {training.ema:g}"
    return f", weights averaged over a relative length of {training.ema.std:g} (power function)"


def _computing(training: TrainingConfig) -> str:
    """How the network computes, where it is not the plain way."""
    text = "" if training.micro_batch is None else f", in micro-batches of {training.micro_batch}"
    text += "" if training.precision == "float32" else f", {training.precision} autocast"
    return text + ", channels last" * training.channels_last + ", compiled" * training.compile


def budget(training: TrainingConfig) -> str:
    """`300,000 examples in batches of 128 (2,343 steps)`."""
    text = f"{training.images:,} examples in batches of {training.batch:,} ({training.steps:,} steps)"
    text += f"{_averaging(training)}{_computing(training)}"
    return text + ("" if training.select == "last" else ", best point of the curve selected")


def _board_training(board: Board) -> TrainingConfig | None:
    config = board.config.training
    if config is None or not board.is_smoke:
        return config
    return config.model_copy(update={"images": min(board.config.smoke.steps, config.steps) * config.batch})


def _own_budgets(board: Board, common: str) -> list[str]:
    found: dict[str, str] = {}
    for cell in board.cells:
        if cell.method_name not in found and cell.trains:
            own = budget(cell.training)
            settings = component(cell.method)
            only = where_only(board.config.methods[cell.method_name])
            found[cell.method_name] = f"  - {markdown_text(cell.method_label)}{only}: {settings}" + (
                "" if own == common else f"; {own}"
            )
    return list(found.values())


def where_only(entry: MethodConfig) -> str:
    """` (base=edm2)`, where the board has the method on some of its rows only."""
    filters = [entry.only] if isinstance(entry.only, str) else entry.only
    return f" (`{', '.join(filters)}`)" if any(filters) else ""


def _curve(board: Board) -> str:
    curve = board.cells[0].curve
    if curve is None:
        return ""
    return (
        f"**Curve**: {curve.metric} at {curve.points + 1} points along training, at {curve.samples:,} samples on seeds "
        "apart from the evaluation's; its network evaluations are counted in the method's cost."
    )


def _environment(records: Iterable[Outcome]) -> list[str]:
    """What the records say of where they were made: every value that occurs."""
    found: dict[str, set[str]] = {key: set() for key in ENVIRONMENT}
    for environment in {record.environment for record in records}:
        for key, value in environment:
            if key in found and value:
                found[key].add(value)
    facts = [f"{label} {', '.join(sorted(found[key]))}" for key, label in ENVIRONMENT.items() if found[key]]
    return [f"**Environment**: {'; '.join(facts)}."] if facts else []


def costs(collection: Collection) -> str:
    """What each row of a model cost, counted by the harness: means over the seeds that are done."""
    from tabulate import tabulate

    rows = []
    for row, cells in collection.rows:
        done = [collection.records[c.name] for c in cells if c.name in collection.records]
        done = [record for record in done if record.status == "done"]
        if done and row.base.has_network:
            rows.append([markdown_text(row.base.label), markdown_text(row.method_label), *_costs(done)])
    if not rows:
        return ""
    heads = [
        "Base",
        "Method",
        "Network evaluations in training",
        "Fine-tuning s",
        "Sampling s",
        "Metrics s",
        "Peak memory MB",
    ]
    align = ["left", "left", *["right"] * 5]
    table = tabulate(rows, headers=heads, tablefmt="pipe", colalign=align, disable_numparse=True)
    about = "Of one cell, mean over seeds. Evaluations in training include banks and the curve; seconds are wall clock."
    return f"## Costs\n\n{about}\n\n{table}"


def _costs(done: Sequence[Outcome]) -> list[str]:
    return [
        count(round(mean([record.network_evaluations for record in done]))),
        seconds(mean([record.seconds_finetune for record in done])),
        seconds(mean([record.seconds_sample for record in done])),
        seconds(mean([record.seconds_metrics for record in done])),
        f"{mean([record.peak_memory_bytes for record in done]) / 1e6:.0f}",
    ]


def seeds(numbers: Sequence[int]) -> str:
    """`0–4, 7`: runs of seeds are written by their ends."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}, {b}" if b == a + 1 else f"{a}–{b}" for a, b in runs)
