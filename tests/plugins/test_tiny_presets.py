"""The tiny network of each diffusion family: small, and able to learn."""

import pytest
import torch

from harness.streams import stream
from harness.weights import state_dicts
from harness_ddpm.image_model import build as build_ddpm
from harness_ddpm.presets import TINY as DDPM
from harness_edm.presets import TINY as EDM
from harness_edm.unet import build as build_edm
from harness_edm2.model import build as build_edm2
from harness_edm2.presets import TINY as EDM2


def error(model, x):
    """The weighted squared error at fixed draws."""
    with torch.no_grad():
        return -model.log_likelihood(x, None, model.draw(x, stream(1, "tiny"))).mean().item()


@pytest.mark.parametrize(("preset", "build"), [(EDM, build_edm), (EDM2, build_edm2), (DDPM, build_ddpm)])
def test_a_tiny_network_is_below_100k_and_learns(preset, build):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build(preset.config, preset.spec).eval()
    assert state_dicts.parameters(model) == preset.parameters < 100_000
    x = torch.ones(16, *preset.spec.shape) * torch.tensor([-1.0, 1.0]).view(2, 1, 1, 1).repeat(8, 1, 1, 1)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    before = error(model, x)
    for step in range(25):
        loss = model.training_loss(x, None, stream(0, "tiny", step)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert error(model, x) < 0.7 * before
