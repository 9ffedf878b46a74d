"""Remarks under a board's table: records that are stale, missing, failed, diverged or skipped, and bases with other weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from harness.board.bases import Base
from harness.board.cells import Cell
from harness.board.reading.data_fit import spec_of
from harness.board.remarks import remarks_on
from harness.errors import first_line
from harness.report.code_versions import mixed_code, versions
from harness.report.collect import Collection
from harness.report.floors import held_out_examples
from harness.report.markup import markdown_text
from harness.report.phrases import listed, seed_ranges
from harness.store.record_names import RecordName


def remarks(collection: Collection) -> list[str]:
    """Return what a reader must know of the numbers that are in the means, and of those that are not, as markdown."""
    return [
        *_stratified(collection),
        *_balanced(collection),
        *_without_held_out(collection),
        *_stale_and_missing(collection),
        *_ended_badly(collection),
        *_fewer_seeds(collection),
        *_unsealed(collection),
        *_several_pretrainings(collection),
        *_mixed_data(collection),
        *_mixed_code(collection),
        *_skipped(collection),
        *map(markdown_text, remarks_on(collection.board.cells)),
    ]


def _stratified(collection: Collection) -> Iterator[str]:
    """Yield a line where the floor is that of draws which are no independent draws, unlike those of any model."""
    dataset = collection.board.dataset
    if collection.board.floors and (how := dataset.component.stratification(dataset.settings)):
        yield markdown_text(
            f"floor: no model reaches it. Draws of {dataset.name} are stratified ({how}): two of them are more alike than "
            "independent draws, which samples of a model are. A row without † may be perfect"
        )


def _balanced(collection: Collection) -> Iterator[str]:
    """Yield a line where bases generate a fixed number of each class, which real draws, and so the floor, do not have."""
    spec = spec_of(collection.board.dataset)
    if not collection.board.floors or (spec is not None and not spec.classes):
        return
    networks = [base for base in collection.board.bases if base.has_network]
    following = [base.name for base in networks if _follows_labels(base)]
    if names := list(dict.fromkeys(following)):
        who = "the models" if len(following) == len(networks) else listed(names)
        yield (
            f"floor: real draws have classes as they fall, and {who} generate a fixed number of each, by labels. A perfect such "
            "model lies below the floor: † may stand where a model is worse than a perfect one, and ‡ where it is perfect"
        )


def _follows_labels(base: Base) -> bool:
    model = base.network.model
    return model.component.takes_labels(model.settings)


def _without_held_out(collection: Collection) -> Iterator[str]:
    """Yield a line where no row can be tested against a floor, since nobody says what its draws share."""
    unknown = [
        floor.name
        for floor in collection.board.floors
        if floor.name in collection.floors and held_out_examples(floor, collection.floors[floor.name]) is None
    ]
    if unknown:
        yield (
            f"no row has † or ‡ in {listed(unknown)}: the records of the floor are of an older version, which did not say how "
            "many held-out examples its draws are taken from. `harness run --fresh-floors` measures the floor anew"
        )


def _stale_and_missing(collection: Collection) -> Iterator[str]:
    if older := [str(record) for record in collection.stale if record not in collection.strange]:
        yield f"stale: {listed(older)}, made by older settings or plugin versions"
    if collection.strange:
        held = [f"{name} (its file holds {markdown_text(what)})" for name, what in collection.strange.items()]
        yield f"no result: {listed(held)}"
    if missing := [cell.name for cell in collection.missing if cell.name not in collection.stale_cells]:
        yield f"not run yet: {listed(missing)}"
    if collection.missing_floors:
        yield f"floor not run yet: {listed(collection.missing_floors)}"


def _ended_badly(collection: Collection) -> Iterator[str]:
    for status in ("failed", "diverged"):
        cells_by_reason: dict[str, list[str]] = {}
        for outcome in collection.records.values():
            if outcome.status == status:
                cells_by_reason.setdefault(first_line(outcome.reason), []).append(outcome.cell)
        for reason, cells in cells_by_reason.items():
            yield f"{status}: {listed(cells)}" + (f": {markdown_text(reason)}" if reason else "")


def _fewer_seeds(collection: Collection) -> Iterator[str]:
    """Yield a line for rows that the board gives fewer seeds than it has; skipped rows have none in any case."""
    all_seeds = collection.board.seeds
    rows_of: dict[tuple[int, ...], dict[str, None]] = {}
    for row, cells in collection.rows:
        seeds = tuple(sorted(cell.seed for cell in cells))
        if row.skip_reason is None and len(seeds) < len(all_seeds):
            sampler = "" if row.sampled_with is None else f", {row.sampled_with.label}"
            rows_of.setdefault(seeds, {})[f"{row.base.label} × {row.method_label}{sampler}"] = None
    for seeds, names in rows_of.items():
        yield markdown_text(
            f"seeds {seed_ranges(seeds)} of {seed_ranges(sorted(all_seeds))} only: {listed(list(names))}. Seeds differ in how "
            "hard they are: such a mean compares with others by paired differences alone"
        )


def _unsealed(collection: Collection) -> Iterator[str]:
    cells = [outcome.cell for outcome in collection.records.values() if outcome.unsealed]
    if cells:
        yield f"made of weights of an older version, whose costs and curve had no checksum: {listed(cells)}"


def _several_pretrainings(collection: Collection) -> Iterator[str]:
    """Yield bases that were pretrained more than once: other versions of libraries make other weights of the same settings.

    A base that the board pretrains for several seeds is another one for each seed. Bases that samplers call are bases too.
    """
    methods_of: dict[str, tuple[str, dict[str, dict[str, None]]]] = {}
    for cell in (cell for _, cells in collection.rows for cell in cells if cell.name in collection.records):
        record = collection.records[cell.name]
        for base in (cell.base, *_called(cell)):
            if not (weights := record.weights_of(base.key, cell.base.key)):
                continue
            label = base.label if base.paired_seed is None else f"{base.label} (seed {base.paired_seed})"
            _, of_weights = methods_of.setdefault(base.full_name, (label, {}))
            of_weights.setdefault(weights, {})[cell.method_label] = None
    for label, by_weights in methods_of.values():
        if len(by_weights) > 1:
            listed_methods = {weights: markdown_text(", ".join(methods)) for weights, methods in by_weights.items()}
            origins = "; ".join(f"{methods} from `{weights[:12]}`" for weights, methods in listed_methods.items())
            times = f"{len(by_weights)} times with the same settings"
            yield f"{markdown_text(label)} was pretrained {times}, and the weights differ: {origins}"


def _called(cell: Cell) -> Iterable[Base]:
    """Return the other bases whose networks the samplers of the cell call, in training and afterwards."""
    samplers = (cell.row.sampler, *((cell.base.network.sampler,) if cell.base.has_network else ()))
    return {base.key: base for sampler in samplers for base in sampler.bases}.values()


def _mixed_data(collection: Collection) -> Iterator[str]:
    """Yield a line where records are of several sets of data, although the settings are the same: a file was edited, say."""
    names_of: dict[str, list[str]] = {}
    fingerprints = [
        *((str(RecordName("cell", name)), outcome.dataset_fingerprint) for name, outcome in collection.records.items()),
        *((str(RecordName("floor", name)), floor.dataset_fingerprint) for name, floor in collection.floors.items()),
    ]
    for name, fingerprint in fingerprints:
        if fingerprint:  # skipped cells have seen no data, and floors of older versions say nothing
            names_of.setdefault(fingerprint, []).append(name)
    if len(names_of) > 1:
        of_data = "; ".join(f"data `{fingerprint[:12]}` in {listed(names)}" for fingerprint, names in names_of.items())
        dataset = collection.board.dataset.name
        yield f"numbers may not be comparable: {dataset} held other data when some records were made: {of_data}"


def _mixed_code(collection: Collection) -> Iterator[str]:
    """Yield components whose code was edited between two records that stand in the table."""
    for component, by_code in mixed_code(collection).items():
        yield f"numbers may not be comparable: the code of {component} was edited between records: {versions(by_code)}"


def _skipped(collection: Collection) -> Iterator[str]:
    # Rows of several samplers may be skipped for one reason, which names the sampler where the sampler is the reason.
    skipped = [(row, row.skip_reason) for row, _ in collection.rows if row.skip_reason is not None]
    yield from dict.fromkeys(
        markdown_text(f"skipped: {row.base.label} × {row.method_label}: {reason}") for row, reason in skipped
    )
