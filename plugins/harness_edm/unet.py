"""EDM's denoiser of images: preconditioning around a U-Net, with the names of the published files."""

from __future__ import annotations

from torch import Tensor

from harness.interfaces import DataSpec
from harness.toolkit.image_denoiser import ImageDenoiser
from harness.toolkit.patches import in_patches
from harness_edm import UNetConfig
from harness_edm.adm_unet import ADMUNet
from harness_edm.check import image_size
from harness_edm.song_unet import SongUNet


class EDMUNet(ImageDenoiser):
    """A denoiser of images. The state dict has the published names, those of the U-Net under `model.`.

    Raises: UserError for data that are no fitting images.
    Source: Karras et al. 2022, Table 1.
    """

    config: UNetConfig

    def __init__(self, config: UNetConfig, spec: DataSpec) -> None:
        super().__init__(config, spec)
        channels, resolution = image_size(config, spec)
        network = ADMUNet if config.architecture == "adm" else SongUNet
        self.model = network(config, resolution=resolution, channels=channels, classes=self.classes)

    def forward(
        self, x: Tensor, sigma: Tensor, class_labels: Tensor | None = None, augment_labels: Tensor | None = None
    ) -> Tensor:
        """Denoise images.

        Args:
            x, sigma, class_labels: as in `ImageDenoiser.preconditioned`.
            augment_labels: (B, augment_dim), how augmentation changed the images; None for images as they are.
        Returns: (B, C, R, R), float32.
        """

        def network(scaled: Tensor, c_noise: Tensor, rows: Tensor | None) -> Tensor:
            return in_patches(lambda patches: self.model(patches, c_noise, rows, augment_labels), self.config.patch, scaled)

        return self.preconditioned(network, x, sigma, class_labels)

    @property
    def augmentation_labels(self) -> int:
        """The number of labels that say how an image was augmented."""
        return self.config.augment_dim

    def augmented_loss_at(self, x: Tensor, labels: Tensor | None, draw: object, augmentation: Tensor) -> Tensor:
        """Return the training loss of augmented images at a draw, (B,), summed over dimensions.

        Args:
            augmentation: (B, augment_dim), how each image of x was augmented; zeros for an image as it is.
        """
        rows = self.class_rows(labels)

        def denoise(noisy: Tensor, sigma: Tensor) -> Tensor:
            denoised: Tensor = self(noisy, sigma, rows, augmentation)
            return denoised

        return self.weighted_error(denoise, x, draw, "edm")


def build(config: UNetConfig, spec: DataSpec) -> EDMUNet:
    """Build a denoiser with random weights for images of this shape. Raises: UserError for data that are no fitting images."""
    return EDMUNet(config, spec)
