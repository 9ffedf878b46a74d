"""What methods keep on a card: the network and its reference once each, gradients, and two moments of the optimiser."""

import pytest
import torch

from harness.components import Method, Model, Sampler
from harness.interfaces import Batch
from harness.plugins import registry
from harness.testing.methods import Bench
from harness.testing.models import build
from harness.testing.probes import examples
from harness.testing.task import InMemoryTask


@pytest.mark.parametrize(("name", "copies"), [("mle", 4), ("ddo", 5)])
def test_a_method_keeps_no_more_copies_of_the_network_than_it_needs(name, copies, device, held, is_rehearsal):
    preset = registry().preset("edm-tiny-8" if is_rehearsal else "edm-cifar10-uncond-vp", where="test")
    model = registry().get(Model, preset.model, where="test")
    method = registry().get(Method, name, where="test")
    sampler = registry().get(Sampler, model.sampler, where="test")
    before = held(device)
    network = build(model, preset.config, preset.spec).to(device)
    of_network = held(device) - before
    draws = sampler.create(sampler.config(**sampler.smoke))
    bank = {"bank_size": 4} if name == "ddo" else {}
    real = Batch(*examples(preset.spec, n=8))
    task = InMemoryTask(network, preset.spec, draws, steps=3, batch=2)
    bench = Bench(
        method, method.config.model_validate({**method.smoke, **bank, "optimizer": {"name": "adam"}}), lambda: task, real
    )
    built = bench.build(task)
    bench.take(built, 0, 2)
    kept = held(device) - before
    # θ, its gradients and two moments; of DDO also the reference. Banks and batches are small beside the published network.
    slack = 0.5 if is_rehearsal else 0.1
    assert kept <= (copies + slack) * of_network
    if not is_rehearsal:
        torch.cuda.reset_peak_memory_stats()
        bench.take(built, 2, 3)
        # Activations of four images of 32×32 through 56 million parameters take some 100 MB each.
        assert torch.cuda.max_memory_allocated() <= (copies + 1) * of_network + 2**30
