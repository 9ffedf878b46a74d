"""Whether the chain of a network has the steps that samplers are to walk. Only the length of the chain is looked at."""

from __future__ import annotations

from typing import cast

from harness.capabilities import NoiseChain
from harness.components import SamplerUsage
from harness_ddpm import DDIMConfig, FastDPMConfig, SubsampledConfig
from harness_ddpm.step_table import check_steps


def has_steps(config: SubsampledConfig | DDIMConfig, usage: SamplerUsage) -> None:
    """Raises: UserError for more steps than the network's chain has."""
    if config.steps is not None:
        check_steps(len(cast(NoiseChain, usage.network).chain_betas), config.steps)


def has_kept_steps(config: FastDPMConfig, usage: SamplerUsage) -> None:
    """Raises: UserError where a short chain is to keep more steps than the long one has. VAR has steps between whole ones."""
    if config.approximation == "STEP":
        check_steps(len(cast(NoiseChain, usage.network).chain_betas), config.steps)
