"""Initial weights come from the seed alone."""

import pytest
import torch
from stage_parts import DRIFTING, Drifting

from harness.interfaces import DataSpec
from harness.stages import initial
from harness.training.task import TrainingTask
from harness.weights import state_dicts

CPU = torch.device("cpu")


@pytest.fixture
def weights_of(tiny):
    """The hash of the network's initial weights, by seed."""
    model = tiny.bases[0].network.model
    return lambda seed: state_dicts.sha256(initial.network(model, DataSpec((2,)), CPU, seed=seed).state_dict())


def test_weights_depend_on_the_seed_and_not_on_what_was_drawn_before(weights_of):
    torch.manual_seed(1)
    first = weights_of(5)
    torch.manual_seed(2)
    torch.rand(17)
    assert weights_of(5) == first
    assert weights_of(6) != first


def test_building_draws_no_number_of_anybody_else(weights_of):
    before = torch.random.get_rng_state()
    weights_of(5)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_network_comes_in_eval_mode(tiny):
    assert not initial.network(tiny.bases[0].network.model, DataSpec((2,)), CPU, seed=0).training


def test_the_extra_networks_of_a_method_depend_on_its_seed_alone(cells):
    cell = cells["small/mle/s0"]

    def extra(seed):
        network = initial.network(cell.base.network.model, DataSpec((2,)), CPU, seed=0)
        task = TrainingTask(network, DataSpec((2,)), CPU, cell.training, None)
        method = initial.method(DRIFTING, task, seed=seed)
        assert isinstance(method, Drifting)
        return float(method.extra.detach())

    torch.manual_seed(3)
    first = extra(1)
    torch.rand(5)
    assert extra(1) == first
    assert extra(2) != first
