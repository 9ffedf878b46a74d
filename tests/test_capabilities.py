"""Capabilities are Protocols, told apart by their members; labels are checked where they enter a network."""

import pytest
import torch

from harness.capabilities import (
    PROTOCOLS,
    Denoises,
    Likelihood,
    NullLabel,
    Tokens,
    Trains,
    TrainsInParts,
    Transitions,
    check_labels,
)


class Both:
    """Trains, and has a likelihood."""

    def training_loss(self, x, labels, generator): ...
    def draw(self, x, generator): ...
    def log_likelihood(self, x, labels, draw): ...


def test_an_object_has_the_capabilities_whose_members_it_has():
    having = {name for name, protocol in PROTOCOLS.items() if isinstance(Both(), protocol)}
    assert having == {"Trains", "Likelihood"}


def test_capabilities_are_known_by_the_names_of_their_protocols():
    assert PROTOCOLS["Trains"] is Trains
    assert {Trains, TrainsInParts, Likelihood, Transitions, Denoises, Tokens, NullLabel} <= set(PROTOCOLS.values())
    assert all(name == protocol.__name__ for name, protocol in PROTOCOLS.items())


@pytest.mark.parametrize("labels", [[0, 9], [10], [], [0, 10, 5]])
def test_labels_of_the_classes_and_of_none_pass(labels):
    check_labels(torch.tensor(labels, dtype=torch.int64), 10)


@pytest.mark.parametrize(("labels", "low", "high"), [([11], 11, 11), ([-1, 3], -1, 3), ([0, 12, 4], 0, 12)])
def test_other_labels_are_refused_with_their_range(labels, low, high):
    with pytest.raises(ValueError, match=rf"labels run from {low} to {high}, but there are 10 classes \(and 10 for none\)"):
        check_labels(torch.tensor(labels), 10)
