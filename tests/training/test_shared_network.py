"""The classes of networks that share their batches."""

import torch

from harness.training.shared_network import share_network


class Doubles(torch.nn.Module):
    def forward(self, x):
        return 2 * x


def test_a_network_that_is_compiled_has_a_class_of_its_own_whichever_comes_first():
    plain, compiled, another = Doubles(), Doubles(), Doubles()
    share_network(plain)
    share_network(compiled, is_compiled=True)
    share_network(another)
    assert type(plain) is type(another)
    assert [getattr(type(each).forward, "_torchdynamo_disable", False) for each in (plain, compiled)] == [False, True]
    for network in (plain, compiled):
        assert isinstance(network, Doubles)
        assert float(network(torch.tensor(1.0))) == 2
