"""Rows of a batch that several processes share: values and gradients are those of one. Threads stand for processes."""

from functools import partial

import pytest
import torch

from harness.errors import UserError
from harness.sampling import sharing
from harness.sampling.counting import EvaluationCounter
from harness.sampling.sharing import NotShared
from harness.testing.devices import ThreadGroup, at_once

SIZES = [(2, 7), (3, 7), (3, 4), (2, 8)]
"""Numbers of processes, and rows."""


def on_threads(size, function):
    """What `function(group)` gives in each thread, which shares rows."""
    groups, found = ThreadGroup.several(size), [None] * size

    def work(group):
        with sharing.shared(group):
            found[group.rank] = function(group)

    at_once([partial(work, group) for group in groups], groups)
    return found


def example(n):
    generator = torch.Generator().manual_seed(n)
    x, weight, scale = (torch.randn(shape, generator=generator, dtype=torch.float64) for shape in ((n, 3), (3, 3), ()))
    return x.requires_grad_(), weight.requires_grad_(), scale.requires_grad_()


def network(x, weight, scale):
    """Rows through a layer, with a factor for all of them."""
    return torch.tanh(x @ weight) * scale


@pytest.mark.parametrize(("size", "n"), SIZES)
def test_shares_are_contiguous_and_differ_by_one_row_at_most(size, n):
    shares = [sharing.share(n, rank, size) for rank in range(size)]
    assert [row for share in shares for row in range(n)[share]] == list(range(n))
    assert max(len(range(n)[share]) for share in shares) - min(len(range(n)[share]) for share in shares) <= 1


def test_nothing_is_shared_in_one_process():
    x, weight, scale = example(4)
    assert torch.equal(sharing.by_rows(network, x, weight, scale), network(x, weight, scale))
    assert sharing.active() is None


@pytest.mark.parametrize(("size", "n"), SIZES)
def test_each_process_computes_its_rows_and_gets_all(size, n):
    computed = []

    def call(group):
        x, weight, scale = example(n)
        return sharing.by_rows(lambda *given: computed.append(len(given[0])) or network(*given), x, weight, scale).detach()

    found = on_threads(size, call)
    assert sum(computed) == n
    for each in found:
        torch.testing.assert_close(each, network(*example(n)).detach())


def gradients_of(loss_of, n, mean=lambda gradient: gradient):
    """The gradients of a loss of two calls in a row, beside a use of the weight outside of calls."""
    x, weight, scale = example(n)
    loss = loss_of(x, weight, scale)
    of_x, of_weight, of_scale = torch.autograd.grad(loss, (x, weight, scale))
    return of_x, mean(of_weight), of_scale


def two_calls(x, weight, scale):
    first = sharing.by_rows(network, x, weight, scale)
    second = sharing.by_rows(network, first * 2, weight, scale)
    return (second.std(0) * first.mean(0)).sum() + weight.square().sum() + scale  # a normaliser over the batch, a penalty


def with_penalty(x, weight, scale):
    """A penalty on the gradient with respect to the input, as critics have."""
    (slope,) = torch.autograd.grad(sharing.by_rows(network, x, weight, scale).sum(), x, create_graph=True)
    return (slope.norm(dim=1) - 1).square().mean() + two_calls(x, weight, scale)


@pytest.mark.parametrize("loss_of", [two_calls, with_penalty])
@pytest.mark.parametrize(("size", "n"), SIZES)
def test_gradients_are_those_of_one_process(size, n, loss_of):
    def call(group):
        def mean(gradient):
            group.mean_(gradient)
            return gradient

        return gradients_of(loss_of, n, mean)

    expected = gradients_of(loss_of, n)
    for found in on_threads(size, call):
        for gradient, of_one in zip(found, expected, strict=True):
            torch.testing.assert_close(gradient, of_one)


def test_rows_inside_of_containers_are_cut_and_gathered():
    def call(group):
        x, y = torch.arange(5.0), {"y": [torch.arange(5), "text"], "whole": torch.arange(3)}

        def twice(x, y):
            assert len(x) == len(y["y"][0]) < 5
            assert len(y["whole"]) == 3
            return {"x": x * 2, "both": (y["y"][0] * 2, y["y"][1])}

        return sharing.by_rows(twice, x, y)

    for found in on_threads(2, call):
        assert torch.equal(found["x"], torch.arange(5.0) * 2)
        assert torch.equal(found["both"][0], torch.arange(5) * 2)
        assert found["both"][1] == "text"


def test_a_batch_of_fewer_rows_than_processes_is_computed_whole_by_each():
    found = on_threads(3, lambda _: sharing.by_rows(lambda x: x + len(x), torch.zeros(2)))
    assert [each.tolist() for each in found] == [[2, 2]] * 3


@pytest.mark.parametrize("result", [lambda x: x.mean(), lambda x: x.new_zeros(9)])
def test_a_result_without_rows_is_refused(result):
    with pytest.raises(NotShared, match=r"--devices 2: the network gives a tensor of shape .* which has no row for each"):
        on_threads(2, lambda _: sharing.by_rows(result, torch.zeros(6)))


def test_evaluations_are_counted_over_all_processes():
    def call(group):
        counter, layer = EvaluationCounter(), torch.nn.Linear(1, 1)
        counter.watch(layer)
        sharing.by_rows(lambda x: layer(torch.cat([x, x]))[: len(x)], torch.zeros(5, 1))  # as guidance does
        return counter.examples, counter.examples_with_graph

    assert on_threads(2, call) == [(10, 10)] * 2


def test_what_one_thread_raises_ends_the_others():
    def call(group):
        if group.rank == 1:
            raise UserError("bad")
        return sharing.by_rows(torch.exp, torch.zeros(4))

    with pytest.raises(UserError, match="bad"):
        on_threads(3, call)
