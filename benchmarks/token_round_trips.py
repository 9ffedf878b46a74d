"""Shares of tokens that decoding and encoding change, and how surely a MaskGIT keeps a token that it sees.

    OMP_NUM_THREADS=1 python benchmarks/token_round_trips.py leaderboards/digits-tokens-search --runs-dir runs --base maskgit

The board must have been run, or at least the base: its weights are read from the runs folder.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor, nn

from harness.board.bases import Base
from harness.board.reading.load import load_board
from harness.capabilities import MaskedTokens, Tokens
from harness.interfaces import DataSource, TokenSampler
from harness.sampling.drawing import sample_labels
from harness.stages.base import WEIGHTS
from harness.store.runs_folder import RunsFolder
from harness.streams import SampleStreams, stream
from harness.weights import state_dicts


def network(base: Base, source: DataSource, runs: RunsFolder) -> nn.Module:
    """Return the base's network with the weights that a run of the board left."""
    model = base.network.model
    built = model.component.create(model.settings, source.spec).eval()
    built.load_state_dict(state_dicts.load(runs.stage("base", base.key) / WEIGHTS))
    return built


def again(model: Tokens, tokens: Tensor) -> Tensor:
    """Decode tokens, and encode the images."""
    return model.encode(model.decode(tokens))


def changed(first: Tensor, second: Tensor) -> str:
    """Return the share of tokens that differ, as text."""
    return f"{float((first != second).double().mean()):.1%}"


@torch.no_grad()
def main() -> None:
    """Print the shares for training images, held-out images and samples of the base's sampler."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("board", type=Path)
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"))
    parser.add_argument("--base", required=True)
    parser.add_argument("--samples", type=int, default=2_000)
    options = parser.parse_args()
    board = load_board(options.board)
    base = next(base for base in board.bases if base.name == options.base)  # of the first of its seeds
    source = board.dataset.component.create(board.dataset.settings)
    model = network(base, source, RunsFolder(options.runs_dir))
    assert isinstance(model, Tokens)
    train, held_out = source.train(), source.evaluation(0, source.largest_evaluation or options.samples)
    for name, x in (("training images", train.x), ("held-out images", held_out.x)):
        tokens = model.encode(x)
        print(f"{name}: {changed(tokens, again(model, tokens))} of the tokens change")
    sampler = base.network.sampler.component.create(base.network.sampler.settings)
    assert isinstance(sampler, TokenSampler)
    labels = sample_labels(0, "sample", options.samples, source.spec)
    tokens = sampler.tokens(model, SampleStreams(0, "sample", range(options.samples)), labels)
    once = again(model, tokens)
    print(f"samples: {changed(tokens, once)} of the tokens change, and {changed(once, again(model, once))} of the result")
    if isinstance(model, MaskedTokens) and train.labels is not None:
        kept(model, model.encode(train.x), train.labels)


def kept(model: MaskedTokens, tokens: Tensor, labels: Tensor) -> None:
    """Print the mean probability that the network gives to a token that it sees, by the share that is masked."""
    for share in (0.0, 0.5, 0.9):
        mask = torch.rand(tokens.shape, generator=stream(0, "mask")) < share
        probabilities = model.token_logits(torch.where(mask, model.mask_token, tokens), labels).softmax(-1)
        seen = probabilities.gather(-1, tokens[..., None]).squeeze(-1)[~mask]
        print(f"with {share:.0%} masked, a token that is seen has the probability {float(seen.mean()):.3f}")


if __name__ == "__main__":
    main()
