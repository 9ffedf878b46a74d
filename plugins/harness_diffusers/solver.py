"""DPM-Solver++ by diffusers' schedulers: one call of the network a step, and no noise but the first.

Source: Lu et al. 2022 (DPM-Solver++), Algorithm 2 and its third-order form, as diffusers writes them.
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


def common(config: SolverConfig) -> dict[str, object]:
    """Arguments of either scheduler."""
    return {
        "algorithm_type": "dpmsolver++", "solver_order": config.order, "solver_type": config.solver_type,
        "lower_order_final": config.lower_order_final,
        "final_sigmas_type": "zero" if config.last == "data" else "sigma_min",
    }  # fmt: skip


class DenoisingSolver:
    """Walks from the largest noise level to the smallest, and on to the data; arithmetic is float32, as the library has it."""

    def __init__(self, config: DenoisingSolverConfig) -> None:
        require_diffusers("sampler dpm-solver++")
        self.config = config

    @torch.no_grad()
    def __call__(self, model: torch.nn.Module, spec: DataSpec, streams: SampleStreams, labels: Tensor | None) -> Tensor:
        """(n, *spec.shape), float32. Calls the network `steps` times."""
        low, high = cast(Denoises, model).sigma_range
        return self.solve(cast(Denoises, model), streams.normal(*spec.shape), labels, low=low, high=high)

    @torch.no_grad()
    def solve(self, model: Denoises, noise: Tensor, labels: Tensor | None, *, low: float, high: float) -> Tensor:
        """The samples that standard normal noise (n, …) leads to, (n, …), float32."""
        scheduler = self.scheduler(low, high)
        levels = scheduler.sigmas
        x = float(levels[0]) * noise.float()
        for sigma, time in zip(levels, scheduler.timesteps, strict=False):  # the last level is where it ends
            denoised = model.denoise(x, sigma.to(x.device), labels).to(x.dtype)
            x = scheduler.step(denoised, time, x, return_dict=False)[0]
        return x

    def scheduler(self, low: float, high: float) -> EDMDPMSolverMultistepScheduler:
        """diffusers' scheduler over these noise levels, which takes denoised data for what a network gives."""
        from harness_diffusers.schedulers import DenoisedScheduler

        scheduler = DenoisedScheduler(
            sigma_min=low, sigma_max=high, sigma_schedule=self.config.levels, rho=self.config.rho, **common(self.config)
        )
        scheduler.set_levels(self.config.steps)
        return scheduler


class ChainSolver:
    """Walks some steps of a diffusion chain; arithmetic is float32, as the library has it."""

    def __init__(self, config: ChainSolverConfig) -> None:
        require_diffusers("sampler dpm-solver++-chain")
        self.config = config

    @torch.no_grad()
    def __call__(self, model: torch.nn.Module, spec: DataSpec, streams: SampleStreams, labels: Tensor | None) -> Tensor:
        """(n, *spec.shape), float32. Calls the network once for each step that is walked: `steps`, or all there are."""
        return self.solve(cast(NoiseChain, model), streams.normal(*spec.shape), labels)

    @torch.no_grad()
    def solve(self, model: NoiseChain, noise: Tensor, labels: Tensor | None) -> Tensor:
        """The samples that standard normal noise (n, …) leads to, (n, …), float32."""
        x, scheduler = noise.float(), self.scheduler(model.chain_betas)
        for time in scheduler.timesteps:
            eps = model.predict_noise(x, float(time), labels).to(x.dtype)
            x = scheduler.step(eps, time, x, return_dict=False)[0]
        return x

    def scheduler(self, betas: Tensor) -> DPMSolverMultistepScheduler:
        """diffusers' scheduler over the chain's steps."""
        from harness_diffusers.schedulers import chain_scheduler

        return chain_scheduler(betas, self.config, **common(self.config))
