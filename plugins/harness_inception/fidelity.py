"""torch-fidelity's Inception as an extractor."""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping

import torch
from torch import Tensor
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from harness.config import NoConfig
from harness.errors import UserError, first_line
from harness_inception import files

SPATIAL_CHANNELS = 7
"""Channels of 17 × 17 in the spatial features: sFID takes the first seven of `mixed_6/conv`, 2,023 numbers, about as many as the
pooled features. torch-fidelity calls that layer Mixed_6d.branch1x1. Their order is that of ADM's files: row, column, channel.
Source: Nash et al. 2021, and the evaluation code of Dhariwal & Nichol 2021."""


class Inception(torch.nn.Module):
    """torch-fidelity's network: the pooled features, the logits without bias that its IS takes, and sFID's spatial features.

    Raises: UserError when the file is absent, not the pinned one, or holds other weights.
    """

    preprocessing = (
        "grey to three equal channels; to 299x299 by torch-fidelity's interpolate_bilinear_2d_like_tensorflow1x, not rounded; "
        "(x - 128) / 128"
    )

    images_on_cpu = 25

    def __init__(self, config: NoConfig) -> None:
        super().__init__()
        where = "extractor inception"
        path, self.weights_sha256 = files.INCEPTION.verified(where=where)
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            # torch-fidelity would run what is in its file: it gets a copy of the tensors alone, which is written here.
            if not all(isinstance(value, Tensor) for value in dict(state).values()):
                raise TypeError("it holds more than tensors")
            tensors = io.BytesIO()
            torch.save(dict(state), tensors)
            tensors.seek(0)
            self.network = FeatureExtractorInceptionV3(
                "inception-v3-compat", ["2048", "logits_unbiased"], feature_extractor_weights_path=tensors
            )
        except pickle.UnpicklingError as error:  # PyTorch's own message advises users to run what is in the file
            raise UserError(f"{where}: {path} holds no weights of this network: it is no file of tensors alone") from error
        except (RuntimeError, TypeError, ValueError, EOFError) as error:
            raise UserError(f"{where}: {path} holds no weights of this network: {first_line(str(error))}") from error
        self.outputs = {"features": 2048, "logits": 1008, "spatial": SPATIAL_CHANNELS * 17 * 17}

    @torch.no_grad()
    def forward(self, images: Tensor) -> Mapping[str, Tensor]:
        """Return all outputs of images, grey or colour and of any size; see `harness.interfaces.FeatureExtractor`."""
        spatial: list[Tensor] = []

        def keep(module: object, inputs: object, output: Tensor) -> None:  # noqa: ARG001 - torch's signature
            spatial.append(output[:, :SPATIAL_CHANNELS].permute(0, 2, 3, 1).flatten(1))

        handle = self.network.Mixed_6d.branch1x1.register_forward_hook(keep)
        try:
            features, logits = self.network(images.expand(-1, 3, -1, -1))
        finally:
            handle.remove()
        return {"features": features, "logits": logits, "spatial": spatial[0]}
