"""Settings of diffusion chains: defaults of the toys and of images, and chains that cannot be."""

import subprocess
import sys

import pytest
from pydantic import ValidationError

from harness.toolkit.chains import ChainConfig, ImageChainConfig


def test_the_defaults_are_the_published_ones():
    toy, images = ChainConfig(), ImageChainConfig()
    assert (toy.steps, toy.schedule, toy.beta_start, toy.beta_end, toy.variance) == (10, "sigmoid", 1e-5, 1e-2, "beta")
    assert (images.steps, images.schedule, images.beta_start, images.beta_end) == (1000, "linear", 1e-4, 2e-2)
    assert (images.sampling_steps, images.sampling_schedule, images.kappa) == (10, "quadratic", 1.0)


@pytest.mark.parametrize(("settings", "message"), [
    ({"beta_start": 0.03}, "beta_start (0.03) is above beta_end (0.02)"),
    ({"schedule": "cosine"}, "a continuous inverse; `sampling_steps: null` walks all steps of another"),
    ({"steps": 1}, "sampling_steps (10) needs at least 2 steps whose beta grows"),
    ({"beta_start": 0.02}, "sampling_steps (10) needs at least 2 steps whose beta grows"),
])  # fmt: skip
def test_chains_that_cannot_be_are_told(settings, message):
    with pytest.raises(ValidationError) as caught:
        ImageChainConfig.model_validate(settings)
    assert message in str(caught.value)


@pytest.mark.parametrize("settings", [{"schedule": "cosine"}, {"steps": 1}, {"beta_start": 0.02}])
def test_the_whole_chain_may_be_any(settings):
    assert ImageChainConfig.model_validate({**settings, "sampling_steps": None}).sampling_steps is None


def test_naming_a_chain_in_settings_costs_no_torch():
    code = "import sys, harness.toolkit.chains, harness.toolkit.denoising; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
