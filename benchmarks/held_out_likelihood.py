"""Whether models learn their training data by heart: log-likelihoods of training and of held-out examples, in nats an example.

    OMP_NUM_THREADS=1 python benchmarks/held_out_likelihood.py leaderboards/digits-tokens-search --runs-dir runs

The board must have been run, or at least its bases: their weights are read from the runs folder, and with `--rows` those that
each row of the board trained and selected, averaged over its seeds, and the paired differences to the base that each cell
starts from, with their 95 % intervals. Held-out examples are those that the board keeps for selection. A model with a bound is
asked `--draws` times, and a constant may be left out of its values: compare training with held-out examples, and bases of one
kind.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn

from harness.board.bases import Base
from harness.board.board import Board
from harness.board.reading.load import load_board
from harness.capabilities import Likelihood
from harness.interfaces import Batch, DataSource, SelectionSource
from harness.stages import draws
from harness.stages.base import WEIGHTS
from harness.statistics.paired import paired_difference
from harness.store.runs_folder import RunsFolder
from harness.streams import stream
from harness.weights import state_dicts


def network(base: Base, source: DataSource, weights: Path) -> nn.Module:
    """Return the base's network with the weights that a run of the board left."""
    model = base.network.model
    built = model.component.create(model.settings, source.spec).eval()
    built.load_state_dict(state_dicts.load(weights))
    return built


@torch.no_grad()
def mean_log_likelihood(model: Likelihood, examples: Batch, repeats: int) -> float:
    """Return the mean over examples and draws, with the same draws for each model."""
    generator, values = stream(0, "likelihood"), []
    for _ in range(repeats):
        drawn = model.draw(examples.x, generator)
        values.append(model.log_likelihood(examples.x, examples.labels, drawn))
        if drawn is None:  # exact: each draw would give the same
            break
    return float(torch.stack(values).double().mean())


def main() -> None:
    """Print a line for each base or row, with the mean over its seeds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("board", type=Path)
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"))
    parser.add_argument("--rows", action="store_true", help="the weights of rows in the place of those of bases")
    parser.add_argument("--examples", type=int, default=448, help="held-out examples, and training examples at most")
    parser.add_argument("--draws", type=int, default=32, help="draws of a bound; an exact likelihood needs one")
    options = parser.parse_args()
    board, runs = load_board(options.board), RunsFolder(options.runs_dir)
    source = board.dataset.component.create(board.dataset.settings)
    assert isinstance(source, SelectionSource), "the board keeps no examples for selection"
    train, held_out = source.train(), source.selection(draws.selection(0), options.examples)
    train = Batch(train.x[: options.examples], None if train.labels is None else train.labels[: options.examples])
    measured: dict[Path, list[float] | None] = {}

    def figures(base: Base, weights: Path) -> list[float] | None:
        """Return the likelihood of training and of held-out examples; None without weights, or a likelihood."""
        if weights not in measured:
            model = network(base, source, weights) if weights.exists() else None
            measured[weights] = None
            if isinstance(model, Likelihood):
                measured[weights] = [mean_log_likelihood(model, each, options.draws) for each in (train, held_out)]
        return measured[weights]

    found: dict[str, list[tuple[list[float], list[float] | None]]] = {}
    for name, base, weights in [*_of_rows(board, runs)] if options.rows else [*_of_bases(board, runs)]:
        if (of_row := figures(base, weights)) is not None:
            found.setdefault(name, []).append((of_row, figures(base, _of_base(base, runs)) if options.rows else None))
    less_base = " training, less base | held-out, less base |" if options.rows else ""
    print(f"| weights | training examples | held-out examples |{less_base} seeds |")
    print(f"|---|---|---|{'---|---|' if options.rows else ''}---|")
    for name, of_seeds in found.items():
        cells = [f"{statistics.fmean(of_row[part] for of_row, _ in of_seeds):.1f}" for part in (0, 1)]
        cells += [_difference(of_seeds, part) for part in (0, 1)] if options.rows else []
        print(f"| {name} | {' | '.join(cells)} | {len(of_seeds)} |")


def _difference(of_seeds: list[tuple[list[float], list[float] | None]], part: int) -> str:
    """Return the mean of the row less its base over seeds, with its interval. part: 0 for training examples, 1 for held-out."""
    pairs = [(of_row[part], of_base[part]) for of_row, of_base in of_seeds if of_base is not None]
    difference = paired_difference(*zip(*pairs, strict=True)) if pairs else None
    if difference is None:
        return "–"
    interval = "" if difference.interval is None else " [{:.1f}, {:.1f}]".format(*difference.interval)
    return f"{difference.mean:.1f}{interval}"


def _of_base(base: Base, runs: RunsFolder) -> Path:
    """Return the file of a base's weights."""
    return runs.stage("base", base.key) / WEIGHTS


def _of_bases(board: Board, runs: RunsFolder) -> Iterator[tuple[str, Base, Path]]:
    """Give the name, the base and the file of weights of each base that is a network of its own."""
    for base in {cell.base.key: cell.base for cell in board.cells}.values():
        yield base.name, base, _of_base(base, runs)


def _of_rows(board: Board, runs: RunsFolder) -> Iterator[tuple[str, Base, Path]]:
    """Give the row, the base and the file of weights of each cell; of one that does not train, those of its base."""
    for cell in board.cells:
        trained = runs.stage("finetune", cell.finetune_key) / WEIGHTS if cell.trains else _of_base(cell.base, runs)
        yield cell.row.name, cell.base, trained


if __name__ == "__main__":
    main()
