"""diffusers' schedulers of DPM-Solver++, told what the networks here give them."""

from __future__ import annotations

import math

from diffusers import DPMSolverMultistepScheduler, EDMDPMSolverMultistepScheduler
from torch import Tensor

from harness.errors import UserError
from harness_diffusers import ChainSolverConfig


class DenoisedScheduler(EDMDPMSolverMultistepScheduler):
    """The scheduler for EDM, with a network that has its preconditioning inside."""

    def convert_model_output(self, model_output: Tensor, sample: Tensor) -> Tensor:
        """What the network gives is the denoised data already."""
        return model_output

    def set_levels(self, steps: int) -> None:
        """So many steps from the largest level on. Where they end at the smallest one, that is the end of the last step."""
        self.set_timesteps(steps if self.config.final_sigmas_type == "zero" else steps + 1)
        _without_a_standstill(self)
        self.set_begin_index(0)


def _without_a_standstill(scheduler: DPMSolverMultistepScheduler | EDMDPMSolverMultistepScheduler) -> None:
    """Leave out a last step from a level to itself: it calls the network for nothing, and order 3 divides zero by zero there."""
    *_, before, end = scheduler.sigmas.tolist()
    if math.isclose(before, end, rel_tol=1e-4):  # the levels come out of roots and powers in float32
        scheduler.sigmas, scheduler.timesteps = scheduler.sigmas[:-1], scheduler.timesteps[:-1]
        scheduler.num_inference_steps = len(scheduler.timesteps)


def chain_scheduler(betas: Tensor, config: ChainSolverConfig, **common: object) -> DPMSolverMultistepScheduler:
    """The scheduler over a chain's own betas, (T,), ready to walk. All its steps are whole ones, each at most once.

    Raises: UserError for a chain of a single step.
    """
    if len(betas) < 2:
        raise UserError("sampler dpm-solver++-chain: a chain of one step leaves nothing to choose; `ancestral` walks it")
    scheduler = DPMSolverMultistepScheduler(
        num_train_timesteps=len(betas), trained_betas=betas.numpy(), timestep_spacing=config.spacing,
        prediction_type="epsilon", **common,
    )  # fmt: skip
    # Two of the spacings leave step 0 out, and would name others twice if asked for as many steps as there are.
    scheduler.set_timesteps(min(config.steps, len(betas) - (config.spacing != "trailing")))
    _without_a_standstill(scheduler)
    scheduler.set_begin_index(0)
    return scheduler
