"""diffusers' schedulers of DPM-Solver++, fitted to what the networks here give them."""

from __future__ import annotations

import math

from diffusers import DPMSolverMultistepScheduler, EDMDPMSolverMultistepScheduler
from torch import Tensor

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


def chain_scheduler(betas: Tensor, config: ChainSolverConfig, **common: object) -> DPMSolverMultistepScheduler:
    """Make the library's scheduler over a chain, ready to walk. All its steps are whole ones, each at most once.

    Args:
        betas: of the chain, (T,), least noisy first.
        common: arguments that this scheduler shares with that for EDM.
    Raises: UserError for a chain of a single step.
    """
    if len(betas) < 2:
        raise UserError(
            "sampler dpm-solver++-chain: a chain of one step leaves nothing to choose; the sampler `ancestral` walks it"
        )
    scheduler = DPMSolverMultistepScheduler(
        num_train_timesteps=len(betas), trained_betas=betas.numpy(), timestep_spacing=config.spacing,
        prediction_type="epsilon", **common,
    )  # fmt: skip
    # Two of the spacings leave step 0 out: asked for as many steps as there are, they would name some steps twice.
    most = len(betas) if config.spacing == "trailing" else len(betas) - 1
    scheduler.set_timesteps(min(config.steps, most))
    _drop_standstill(scheduler)
    scheduler.set_begin_index(0)
    return scheduler
