"""The DDPM for images, sampled by its whole chain or in few steps."""

from __future__ import annotations

from torch import Tensor

from harness.capabilities import Gaussian
from harness.interfaces import DataSpec
from harness_ddpm import UNetConfig
from harness_ddpm.chain import DiffusionChain
from harness_ddpm.check import image_size
from harness_ddpm.fast import fast_schedule
from harness_ddpm.schedules import coefficients
from harness_ddpm.unet import NoiseUNet


class ImageDDPM(DiffusionChain, NoiseUNet):
    """A diffusion chain of T steps around the U-Net, and a sampling chain of S.

    Provides Trains, Likelihood, Transitions and NoiseChain. It is unconditional: labels are ignored. Images are in
    [-1, 1].
    """

    config: UNetConfig
    takes_real_times = True

    def __init__(self, config: UNetConfig, spec: DataSpec) -> None:
        channels, resolution = image_size(config, spec)
        NoiseUNet.__init__(self, config, resolution=resolution, channels=channels)
        self.config, self.dropout = config, config.dropout
        self.set_chain(spec, config.steps, coefficients(config))
        if config.sampling_steps is not None:
            schedule = fast_schedule(
                config.beta_start, config.beta_end, config.steps, config.sampling_steps, config.sampling_schedule
            )
            for name, values in schedule.coefficients(config.kappa).items():
                # On the device that the module is being built on; the table itself comes from NumPy.
                self.register_buffer(f"fast_{name}", values.to(self.conv_in.weight.device), persistent=False)

    @property
    def transitions(self) -> int:
        """Number of sampling steps."""
        return self.config.sampling_steps or self.steps

    def transition(self, x: Tensor, step: int | Tensor) -> Gaussian:
        """A step of the sampling chain; 0 leaves the noise, and the last one lands on the data with a little noise.

        x: (B, …); step: one index for all, or (B,) int64. Returns: mean (B, …); std 0-dim or (B, 1, 1, 1).
        """
        if self.config.sampling_steps is None:
            return super().transition(x, step)
        time: Tensor = self.get_buffer("fast_time")[step]
        mean = self.coefficient("fast_x_mult", step) * x + self.coefficient("fast_eps_mult", step) * self(x, time)
        return Gaussian(mean, self.coefficient("fast_std", step))


def build(config: UNetConfig, spec: DataSpec) -> ImageDDPM:
    """A DDPM with random weights for images of this shape. Raises: UserError for data that is no fitting image."""
    return ImageDDPM(config, spec)
