"""Every method: twenty steps on a card lead where they lead on the CPU, and deterministic kernels lead there twice."""

import pytest
import torch

from harness.components import Method, Model, Sampler
from harness.interfaces import Batch
from harness.plugins import registry
from harness.testing.methods import Bench
from harness.testing.models import build
from harness.testing.probes import examples
from harness.testing.suites import spec_for
from harness.testing.task import InMemoryTask
from harness.weights.state_dicts import snapshot

STEPS = 20
FAMILIES = ("ddpm-mlp", "ddpm-unet", "edm-unet", "edm2-unet", "var", "maskgit")


def pairs():
    """Every method that trains, on the first model that has what it needs, and on one model of tokens."""
    chosen = []
    for name in registry().names("method"):
        method = registry().get(Method, name, where="test")
        models = [each for each in FAMILIES if method.needs <= registry().get(Model, each, where="test").provides]
        tokens = [each for each in models if each in ("var", "maskgit")]
        if method.trains:
            chosen += [(name, model, None) for model in dict.fromkeys([*models[:1], *tokens[:1]])]
    return [*chosen, ("ddo", "edm-unet", "online")]


def task_on(device, model, spec):
    """A task of twenty steps on a device, whose weights come from a fixed seed."""
    sampler = registry().get(Sampler, model.sampler, where="test")
    draws = sampler.create(sampler.config(**sampler.smoke))
    network = build(model, model.config(**model.smoke), spec).to(device)
    return InMemoryTask(network, spec, draws, steps=STEPS, batch=8)


@pytest.mark.parametrize(("name", "on", "fakes"), pairs())
def test_twenty_steps_lead_where_they_lead_on_the_cpu(name, on, fakes, device):
    method, model = registry().get(Method, name, where="test"), registry().get(Model, on, where="test")
    spec = spec_for(method.needs, model)
    settings = {**method.smoke, **({"bank_size": 16} if "bank_size" in method.config.model_fields else {})}
    config = method.config.model_validate({**settings, **({} if fakes is None else {"fakes": fakes})})
    real = Batch(*examples(spec, n=64))

    def trained(where):
        bench = Bench(method, config, lambda: task_on(where, model, spec), real)
        task = bench.task()
        start, built = snapshot(task.model), bench.build(task)
        bench.take(built, 0, STEPS)
        moved = [(value - start[key]).flatten().float().cpu() for key, value in snapshot(task.model).items()]
        return torch.cat(moved)

    expected, found = trained(torch.device("cpu")), trained(device)
    assert expected.norm() > 0
    # Adam divides small gradients by their own size, so that their rounding errors count; a few per cent of the way at most.
    assert (found - expected).norm() <= 0.05 * expected.norm()
    assert trained(device).equal(found)
