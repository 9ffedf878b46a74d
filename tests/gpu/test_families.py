"""Every family at a published width: loss and gradients on a card are those of the CPU."""

import pytest
import torch

from harness.components import Model
from harness.plugins import registry
from harness.sampling import latents
from harness.streams import stream
from harness.testing.models import build
from harness.testing.probes import examples

FAMILIES = {
    "edm-cifar10-uncond-vp": "edm-tiny-ddpmpp",
    "edm-cifar10-uncond-ve": "edm-tiny-ncsnpp",
    "edm-imagenet64-cond-adm": "edm-tiny-adm",
    "edm2-img64-s": "edm2-tiny-8",
    "ddpm-cifar10": "ddpm-tiny-8",
    "ddpm-cifar10-32": "diffusers-tiny-8",
    "var-d16": "var-tiny",
    "maskgit-v2-256-tiny": "maskgit-tiny-v2",
    "maskgit-v1-256": "maskgit-tiny-v1",
}
"""Published networks, each with the tiny one that rehearses it."""


def network(preset):
    """The network of a preset with random weights, none of which are zero, in eval mode; and its spec."""
    component = registry().get(Model, preset.model, where="test")
    model = build(component, preset.config, preset.spec)
    generator = stream(0, "weights")
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad and float(parameter.std() if parameter.numel() > 1 else 0) < 1e-4:
                # Published networks begin with zeros, behind which there is no gradient.
                parameter.add_(0.02 * torch.randn(parameter.shape, generator=generator))
    return model, latents.network_spec(model, preset.spec)


def loss_and_gradient(model, x, labels):
    """The loss of each example, and all gradients in a row, on the CPU."""
    device = next(model.parameters()).device
    losses = model.training_loss(x.to(device), None if labels is None else labels.to(device), stream(1, "loss"))
    weights = [parameter for parameter in model.parameters() if parameter.requires_grad]
    gradients = torch.autograd.grad(losses.mean(), weights, allow_unused=True)
    row = torch.cat([gradient.flatten().cpu() for gradient in gradients if gradient is not None])
    return losses.detach().cpu(), row


@pytest.mark.parametrize("name", FAMILIES)
def test_loss_and_gradients_are_those_of_the_cpu(name, device, is_rehearsal):
    preset = registry().preset(FAMILIES[name] if is_rehearsal else name, where="test")
    component = registry().get(Model, preset.model, where="test")
    try:
        component.check_packages()
    except Exception as error:
        pytest.skip(str(error))
    model, spec = network(preset)
    x, labels = examples(spec, n=2)
    expected, expected_row = loss_and_gradient(model, x, labels)
    found, row = loss_and_gradient(model.to(device), x, labels)
    # Kernels add in another order: some 1e-6 of each value, which tens of layers carry on.
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)
    assert (row - expected_row).norm() <= 1e-2 * expected_row.norm()
    again, same = loss_and_gradient(model, x, labels)
    assert again.equal(found)
    assert same.equal(row)  # deterministic kernels
