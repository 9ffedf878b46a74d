"""DPM-Solver++ by diffusers' schedulers: one call of the network a step, and no noise after the first.

With x = alpha x_0 + sigma eps and lambda = ln(alpha / sigma), the probability-flow ODE has the solution

    x_t = sigma_t / sigma_s x_s + sigma_t * integral from lambda_s to lambda_t of exp(lambda) D(lambda) d lambda

where D is the denoised data (Lu et al. 2022, DPM-Solver++, arXiv 2211.01095, Proposition 4.1). Order 1 takes D as constant over
a step, which is DDIM; order 2 as a line through the values at this step and the one before (Algorithm 2, 2M); order 3 as a
parabola through three values. The library has the coefficients.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from harness.capabilities import Denoises, NoiseChain
from harness.interfaces import DataSpec
from harness.streams import SampleStreams
from harness.toolkit.optional_packages import require_diffusers
from harness_diffusers import ChainSolverConfig, DenoisingSolverConfig, SolverConfig

if TYPE_CHECKING:
    from diffusers import DPMSolverMultistepScheduler, EDMDPMSolverMultistepScheduler


def common_arguments(config: SolverConfig) -> dict[str, object]:
    """Return the arguments that both schedulers take."""
    return {
        "algorithm_type": "dpmsolver++", "solver_order": config.order, "solver_type": config.solver_type,
        "lower_order_final": config.lower_order_final,
        "final_sigmas_type": "zero" if config.last == "data" else "sigma_min",
    }  # fmt: skip


class DenoisingSolver:
    """Walk from the largest noise level to the smallest, and on to the data. Arithmetic is float32, as the library has it."""

    def __init__(self, config: DenoisingSolverConfig) -> None:
        require_diffusers("sampler dpm-solver++")
        self.config = config

    @torch.no_grad()
    def __call__(self, model: torch.nn.Module, spec: DataSpec, streams: SampleStreams, labels: Tensor | None) -> Tensor:
        """Draw one sample of each stream, (n, *spec.shape), float32. Calls the network `steps` times."""
        low, high = cast(Denoises, model).sigma_range
        return self.solve(cast(Denoises, model), streams.normal(*spec.shape), labels, low=low, high=high)

    @torch.no_grad()
    def solve(self, model: Denoises, noise: Tensor, labels: Tensor | None, *, low: float, high: float) -> Tensor:
        """Solve the ODE from the noise level `high` on.

        Args:
            noise: standard normal, (n, …); the ODE starts at high * noise.
            labels: (n,) int64, or None.
            low: the smallest noise level.
        Returns: the samples, (n, …), float32.
        """
        scheduler = self.scheduler(low, high)
        levels = scheduler.sigmas
        x = float(levels[0]) * noise.float()
        for sigma, time in zip(levels, scheduler.timesteps, strict=False):  # the last level is where the last step ends
            denoised = model.denoise(x, sigma.to(x.device), labels).to(x.dtype)
            x = scheduler.step(denoised, time, x, return_dict=False)[0]
        return x

    def scheduler(self, low: float, high: float) -> EDMDPMSolverMultistepScheduler:
        """Make the library's scheduler over these noise levels; it takes the network's output for denoised data."""
        from harness_diffusers.schedulers import DenoisedScheduler

        scheduler = DenoisedScheduler(
            sigma_min=low, sigma_max=high, sigma_schedule=self.config.levels, rho=self.config.rho, **common_arguments(self.config)
        )
        scheduler.set_levels(self.config.steps)
        return scheduler


class ChainSolver:
    """Walk some steps of a diffusion chain. Arithmetic is float32, as the library has it."""

    def __init__(self, config: ChainSolverConfig) -> None:
        require_diffusers("sampler dpm-solver++-chain")
        self.config = config

    @torch.no_grad()
    def __call__(self, model: torch.nn.Module, spec: DataSpec, streams: SampleStreams, labels: Tensor | None) -> Tensor:
        """Draw one sample of each stream, (n, *spec.shape), float32. Calls the network `steps` times."""
        return self.solve(cast(NoiseChain, model), streams.normal(*spec.shape), labels)

    @torch.no_grad()
    def solve(self, model: NoiseChain, noise: Tensor, labels: Tensor | None) -> Tensor:
        """Walk the chain from standard normal noise (n, …). Returns: the samples, (n, …), float32."""
        x, scheduler = noise.float(), self.scheduler(model.chain_betas)
        for time in scheduler.timesteps:
            eps = model.predict_noise(x, float(time), labels).to(x.dtype)
            x = scheduler.step(eps, time, x, return_dict=False)[0]
        return x

    def scheduler(self, betas: Tensor) -> DPMSolverMultistepScheduler:
        """Make the library's scheduler over the steps of a chain with these betas."""
        from harness_diffusers.schedulers import chain_scheduler

        return chain_scheduler(betas, self.config, **common_arguments(self.config))
