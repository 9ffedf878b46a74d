"""Whether bases learn their training data by heart: log-likelihoods of training and of held-out examples, in nats an example.

    OMP_NUM_THREADS=1 python benchmarks/held_out_likelihood.py leaderboards/digits-tokens-search --runs-dir runs

The board must have been run, or at least its bases: their weights are read from the runs folder. Held-out examples are those
that the board keeps for selection. A model with a bound is asked `--draws` times, and a constant may be left out of its values:
compare training with held-out examples, and bases of one kind.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import nn

from harness.board.bases import Base
from harness.board.reading.load import load_board
from harness.capabilities import Likelihood
from harness.interfaces import Batch, DataSource, SelectionSource
from harness.stages import draws
from harness.stages.base import WEIGHTS
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
    generator = stream(0, "likelihood")
    values = [model.log_likelihood(examples.x, examples.labels, model.draw(examples.x, generator)) for _ in range(repeats)]
    return float(torch.stack(values).double().mean())


def main() -> None:
    """Print a row for each base, once for each seed that it is pretrained with."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("board", type=Path)
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"))
    parser.add_argument("--examples", type=int, default=448, help="held-out examples, and training examples at most")
    parser.add_argument("--draws", type=int, default=32, help="draws of a bound; an exact likelihood needs one")
    options = parser.parse_args()
    board, runs = load_board(options.board), RunsFolder(options.runs_dir)
    source = board.dataset.component.create(board.dataset.settings)
    assert isinstance(source, SelectionSource), "the board keeps no examples for selection"
    train, held_out = source.train(), source.selection(draws.selection(0), options.examples)
    train = Batch(train.x[: options.examples], None if train.labels is None else train.labels[: options.examples])
    print("| base | training examples | held-out examples |\n|---|---|---|")
    for base in {cell.base.key: cell.base for cell in board.cells}.values():
        weights = runs.stage("base", base.key) / WEIGHTS
        if weights.exists() and isinstance(model := network(base, source, weights), Likelihood):
            figures = [f"{mean_log_likelihood(model, examples, options.draws):.1f}" for examples in (train, held_out)]
            print(f"| {base.full_name} | {' | '.join(figures)} |")


if __name__ == "__main__":
    main()
