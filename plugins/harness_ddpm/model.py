"""The DDPM for points."""

from __future__ import annotations

from harness.interfaces import DataSpec
from harness.toolkit.chains.chain import DiffusionChain
from harness_ddpm import DDPMConfig
from harness_ddpm.network import NoiseMLP


class DDPM(DiffusionChain, NoiseMLP):
    """A diffusion chain of T steps around the noise-prediction network for points.

    Provides Trains, TrainsInParts, Likelihood, Transitions and NoiseChain. The model is unconditional: labels are ignored.
    """

    def __init__(self, config: DDPMConfig, spec: DataSpec) -> None:
        how = {"is_smooth": config.gains == "smooth", "is_fast": config.softplus == "fast"}
        NoiseMLP.__init__(self, spec.shape, config.steps, config.width, **how)
        self.config = config
        self.set_chain(config, spec)


def build(config: DDPMConfig, spec: DataSpec) -> DDPM:
    """Build a DDPM with random weights for data of this shape."""
    return DDPM(config, spec)
