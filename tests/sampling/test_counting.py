"""Network evaluations are counted where they happen: once for each example, in each network that is watched."""

import copy

import pytest
import torch
from torch import nn

from harness.sampling.counting import EvaluationCounter


@pytest.fixture
def counter():
    return EvaluationCounter()


def test_examples_are_counted_and_not_calls(counter):
    network = nn.Linear(2, 2)
    counter.watch(network)
    network(torch.zeros(5, 2))
    network(torch.zeros(3, 2))
    assert counter.examples == 8
    network(torch.zeros(0, 2))
    assert counter.examples == 8


def test_a_network_inside_of_another_counts_as_part_of_it(counter):
    inner = nn.Linear(2, 2)
    outer = nn.Sequential(inner, nn.Tanh(), inner)
    counter.watch(outer)
    outer(torch.zeros(4, 2))
    assert counter.examples == 4  # one evaluation of the whole, not two of its layer
    inner(torch.zeros(4, 2))
    assert counter.examples == 4


def test_a_network_that_two_share_counts_in_both(counter):
    shared = nn.Linear(2, 2)
    first, second = nn.Sequential(shared), nn.Sequential(shared, nn.Tanh())
    counter.watch(first)
    counter.watch(second)
    first(torch.zeros(4, 2))
    second(torch.zeros(3, 2))
    assert counter.examples == 7
    counter.watch(shared)
    first(torch.zeros(1, 2))
    assert counter.examples == 9  # the whole, and the layer that is watched in its own right


def test_only_calls_of_the_module_count_and_only_while_it_is_watched(counter):
    network = nn.Linear(2, 2)
    network(torch.zeros(1, 2))
    handle = counter.watch(network)
    network.forward(torch.zeros(1, 2))  # hooks do not see it; the contract has the network called
    assert counter.examples == 0
    network(torch.zeros(1, 2))
    handle.remove()
    network(torch.zeros(1, 2))
    assert counter.examples == 1
    assert not network._forward_pre_hooks


def test_a_copy_reports_to_a_counter_of_its_own_unless_it_is_told_otherwise(counter):
    network = nn.Linear(2, 2)
    counter.watch(network)
    apart, together = copy.deepcopy(network), copy.deepcopy(network, {id(counter): counter})
    apart(torch.zeros(4, 2))
    assert counter.examples == 0
    together(torch.zeros(3, 2))
    assert counter.examples == 3


def test_two_counters_see_the_same_calls(counter):
    network, other = nn.Linear(2, 2), EvaluationCounter()
    counter.watch(network)
    other.watch(network)
    network(torch.zeros(2, 2))
    assert counter.examples == other.examples == 2


def test_examples_of_any_shape_and_further_arguments_count_by_the_batch(counter):
    network = nn.Bilinear(2, 3, 1)
    counter.watch(network)
    network(torch.zeros(6, 4, 2), torch.zeros(6, 4, 3))
    assert counter.examples == 6


def test_a_block_is_watched_to_its_end_and_after_a_failure_no_longer(counter):
    first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    with counter.watching([first, second]):
        first(torch.zeros(2, 2))
        second(torch.zeros(3, 2))
    with pytest.raises(RuntimeError), counter.watching([first]):
        first(torch.zeros(1, 5))  # counted as it enters
    first(torch.zeros(9, 2))
    assert counter.examples == 6
    assert not first._forward_pre_hooks


def test_a_graph_is_kept_where_gradients_are_enabled_and_something_asks_for_them(counter):
    network, frozen = nn.Linear(2, 2), nn.Linear(2, 2).requires_grad_(False)
    for module in (network, frozen):
        counter.watch(module)
    network(torch.zeros(3, 2))
    assert counter.examples_with_graph == 3
    frozen(torch.zeros(4, 2))
    with torch.no_grad():
        network(torch.zeros(5, 2))
    with torch.inference_mode():
        network(torch.zeros(5, 2))
    assert counter.examples_with_graph == 3
    frozen(torch.zeros(6, 2, requires_grad=True))
    assert (counter.examples, counter.examples_with_graph) == (23, 9)


def test_an_argument_with_a_name_may_ask_for_gradients(counter):
    class Conditioned(nn.Module):
        def forward(self, x, *, condition):
            return x + condition

    network = Conditioned()
    counter.watch(network)
    network(torch.zeros(2, 2), condition=torch.zeros(2, 2, requires_grad=True))
    network(torch.zeros(3, 2), condition=torch.zeros(3, 2))
    assert (counter.examples, counter.examples_with_graph) == (5, 2)


def test_what_is_counted_apart_leaves_the_counts_as_they_were(counter):
    network = nn.Linear(2, 2)
    counter.watch(network)
    network(torch.zeros(3, 2))
    with counter.apart():
        network(torch.zeros(4, 2))
        assert (counter.examples, counter.examples_with_graph) == (7, 7)
    assert (counter.examples, counter.examples_with_graph) == (3, 3)
    with pytest.raises(RuntimeError, match="shapes"), counter.apart():
        network(torch.zeros(4, 5))
    assert (counter.examples, counter.examples_with_graph) == (3, 3)
