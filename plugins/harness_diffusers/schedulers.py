"""diffusers' schedulers of DPM-Solver++, fitted to what the networks here give them."""

from __future__ import annotations

import math
from typing import cast

from diffusers import DPMSolverMultistepScheduler, EDMDPMSolverMultistepScheduler
from torch import Tensor

from harness.capabilities import NoiseChain
from harness.components import SamplerUsage
from harness.errors import UserError
from harness_diffusers import ChainSolverConfig


class DenoisedScheduler(EDMDPMSolverMultistepScheduler):
    """The library's scheduler for EDM, for networks that have EDM's preconditioning inside."""

    def convert_model_output(self, model_output: Tensor, sample: Tensor) -> Tensor:
        """Return the network's output as it is: it is the denoised data already."""
        return model_output

    def set_levels(self, steps: int) -> None:
        """Choose so many steps, the first of them at the largest noise level.

        Where sampling ends at the smallest level, that level is the end of the last step and has no step of its own.
        """
        self.set_timesteps(steps if self.config.final_sigmas_type == "zero" else steps + 1)
        _drop_standstill(self)
        self.set_begin_index(0)


def _drop_standstill(scheduler: DPMSolverMultistepScheduler | EDMDPMSolverMultistepScheduler) -> None:
    """Drop a last step that leads from a level to the same level.

    Such a step would call the network for nothing, and order 3 would divide zero by zero there.
    """
    *_, before, end = scheduler.sigmas.tolist()
    if math.isclose(before, end, rel_tol=1e-4):  # the levels come out of roots and powers in float32
        scheduler.sigmas, scheduler.timesteps = scheduler.sigmas[:-1], scheduler.timesteps[:-1]
        scheduler.num_inference_steps = len(scheduler.timesteps)


def check_chain(total: int, config: ChainSolverConfig) -> None:
    """Raises: UserError for a chain of a single step, and for more steps than there are to choose from. total: the chain's."""
    if total < 2:
        raise UserError("a chain of one step leaves nothing to choose; the sampler `ancestral` walks it")
    # Two of the spacings leave step 0 out: asked for as many steps as there are, they would name some steps twice.
    most = total if config.spacing == "trailing" else total - 1
    if config.steps > most:
        found = f"the spacing `{config.spacing}` finds in a chain of {total}"
        raise UserError(f"steps: {config.steps} are more than {found}; name {most} or fewer")


def has_steps(config: ChainSolverConfig, usage: SamplerUsage) -> None:
    """Raises: UserError where the network's chain has too few steps. Only the length of the chain is looked at."""
    check_chain(len(cast(NoiseChain, usage.network).chain_betas), config)


def chain_scheduler(betas: Tensor, config: ChainSolverConfig, **common: object) -> DPMSolverMultistepScheduler:
    """Make the library's scheduler over a chain, ready to walk. All its steps are whole ones, each at most once.

    Args:
        betas: of the chain, (T,), least noisy first.
        common: arguments that this scheduler shares with that for EDM.
    Raises: UserError for a chain of a single step, and for more steps than the chain has to choose from.
    """
    check_chain(len(betas), config)
    scheduler = DPMSolverMultistepScheduler(
        num_train_timesteps=len(betas), trained_betas=betas.numpy(), timestep_spacing=config.spacing,
        prediction_type="epsilon", **common,
    )  # fmt: skip
    scheduler.set_timesteps(config.steps)
    _drop_standstill(scheduler)
    scheduler.set_begin_index(0)
    return scheduler
