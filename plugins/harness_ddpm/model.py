"""The DDPM for points."""

from __future__ import annotations

from harness.interfaces import DataSpec
from harness.toolkit.chains.chain import DiffusionChain, NoisyStep
from harness_ddpm import DDPMConfig
from harness_ddpm.network import NoiseMLP

__all__ = ["DDPM", "NoisyStep", "build"]


class DDPM(DiffusionChain, NoiseMLP):
    """A diffusion chain of T steps around the noise-prediction network for points.

    Provides Trains, Likelihood, Transitions and NoiseChain. It is unconditional: labels are ignored.
    """

    def __init__(self, config: DDPMConfig, spec: DataSpec) -> None:
        NoiseMLP.__init__(self, spec.shape, config.steps, config.width)
        self.config = config
        self.set_chain(config, spec)


def build(config: DDPMConfig, spec: DataSpec) -> DDPM:
    """A DDPM with random weights for data of this shape."""
    return DDPM(config, spec)
