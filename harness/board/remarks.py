"""Remarks on a board's settings: what its user should know, and what is no fault. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from harness.board.cells import Cell
from harness.board.grids import split_point
from harness.board.schema import BoardConfig


def remarks_on(cells: Sequence[Cell]) -> tuple[str, ...]:
    """Return sentences, without a full stop, on the cells of a board that train."""
    training = [cell for cell in cells if cell.trains and cell.skip_reason is None]
    return (*_shared_seeds(training), *_unlike_selection(training))


def _shared_seeds(cells: Iterable[Cell]) -> Iterator[str]:
    """Yield which seeds are those of cells and of the pretraining of their bases: streams of noise know only seed and step."""
    seeds_of: dict[str, dict[int, None]] = {}
    for cell in cells:
        if any(step.seed == cell.seed for step in cell.base.origin.steps):
            seeds_of.setdefault(cell.base.name, {})[cell.seed] = None
    for seeds, bases in _grouped({base: _seeds(list(seeds)) for base, seeds in seeds_of.items()}).items():
        yield (
            f"{_listed(bases)}: cells share {seeds} with the pretraining of their base, so that training draws batches in the "
            "order of the pretraining, and continued pretraining draws its noise again; other seeds avoid it"
        )


def _unlike_selection(cells: Iterable[Cell]) -> Iterator[str]:
    """Yield the bases from which some rows take the last weights of training, and others the best point of the curve."""
    selected: dict[str, dict[str, str]] = {}
    for cell in cells:
        entry, _ = split_point(cell.method_name)
        selected.setdefault(cell.base.name, {})[entry] = cell.training.select
    texts = {base: _selection(how) for base, how in selected.items() if len(set(how.values())) > 1}
    for text, bases in _grouped(texts).items():
        yield f"{_listed(bases)}: rows are selected unalike: {text}"


def _selection(how: Mapping[str, str]) -> str:
    """Return which methods take which weights. how: the setting `select` of each method."""
    last, best = ([method for method, select in how.items() if select == kind] for kind in ("last", "best"))
    return f"the last weights of {_listed(last)}, and the best point of the curve of {_listed(best)}"


def search_remarks(config: BoardConfig) -> Iterator[str]:
    """Yield the searches whose own bases are pretrained from a seed of their trials."""
    for name, search in config.search.items():
        seed = search.seeds[0] if search.pretrain_seed is None else search.pretrain_seed
        if seed in search.seeds and any(config.bases[base].pretrain for base in search.bases if base in config.bases):
            yield (
                f"search {name}: trials share {_seeds([seed])} with the pretraining of their base, so that training draws "
                "batches in the order of the pretraining; a `pretrain_seed` apart from `seeds` avoids it"
            )


def _seeds(seeds: Sequence[int]) -> str:
    return f"the seed{'' if len(seeds) == 1 else 's'} {', '.join(map(str, seeds))}"


def _grouped(text_of: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the names that have the same text, by this text."""
    names: dict[str, list[str]] = {}
    for name, text in text_of.items():
        names.setdefault(text, []).append(name)
    return names


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
