"""Training a tokenizer: images to tokens and back, with no code left idle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor

from harness.capabilities import TokenizerTerms, TrainsTokenizer
from harness.interfaces import Batch
from harness.training.method import FinetuneMethod, Task
from harness.training.optimizer import Optimizer
from harness_tokenizer import TokenizerConfig


class TrainTokenizer(FinetuneMethod):
    """Minimises the loss of VQ-VAE over the tokenizer's weights alone:

        L = reconstruction error + commitment * |z - sg(q)|² + codebook * |sg(z) - q|²,

    where z are the latents, q their codes, and sg stops the gradient. Each |…|² is a mean over the numbers of an image's latents;
    a model with several scales averages it over the scales. The quantiser has no gradient of its own: the gradient of the
    reconstruction error passes straight through it to the encoder. The second term holds the latents near the codes, and the
    third moves the codes.
    There is neither a discriminator nor a perceptual term: published tokenizers of photographs have both, and small images do
    well without. Source: van den Oord et al. 2017, Eq. 3; for the revival of idle codes, Dhariwal et al. 2020, Section 3.2.
    """

    config: TokenizerConfig

    def __init__(self, config: TokenizerConfig, task: Task) -> None:
        super().__init__(config, task)
        self.model = cast(TrainsTokenizer, task.model)
        weights = [parameter.requires_grad_(True) for parameter in self.model.tokenizer_parameters()]
        self.optimizer = Optimizer(config.optimizer, weights, updates=task.steps)
        self.keep(optimizer=self.optimizer)
        self._is_used = torch.zeros(len(self.model.codebook), dtype=torch.bool, device=task.device)

    def step(self, batch: Batch, generator: torch.Generator, index: int) -> Mapping[str, Tensor]:
        """Take one optimiser step, and revive idle codes where it is their time.

        Logs `loss`, `reconstruction`, `commitment`, and `perplexity`: the exponential of the entropy of the batch's tokens. It is
        the number of codes where the batch uses all of them equally often, and 1 where it uses a single one.
        """
        terms = self.model.tokenizer_terms(batch.x)
        error = self._error(terms.reconstructed, batch.x).mean()
        commitment = terms.commitment.mean()
        loss = error + self.config.commitment * commitment + self.config.codebook * terms.codebook.mean()
        self.optimizer.update(loss)
        counts = torch.bincount(terms.tokens.flatten(), minlength=len(self._is_used))
        self._is_used = self._is_used | (counts > 0)
        if self.config.revive_every and (index + 1) % self.config.revive_every == 0:
            self._revive(terms, generator)
        return {
            "loss": loss.detach(),
            "reconstruction": error.detach(),
            "commitment": commitment.detach(),
            "perplexity": torch.special.entr(counts / counts.sum()).sum().exp(),  # entr(p) = -p log p, and 0 at 0
        }

    def state_dict(self) -> dict[str, object]:
        """Return the optimiser's state, and which codes have been used since the last revival."""
        return {**super().state_dict(), "used": self._is_used}

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Restore what `state_dict` returned."""
        super().load_state_dict(state)
        self._is_used = cast(Tensor, state["used"]).to(self.task.device)

    def _error(self, reconstructed: Tensor, x: Tensor) -> Tensor:
        difference = reconstructed - x
        return difference.square() if self.config.reconstruction == "squared" else difference.abs()

    @torch.no_grad()
    def _revive(self, terms: TokenizerTerms, generator: torch.Generator) -> None:
        """Move the codes that no token has used since the last revival to latents of this batch, drawn at random."""
        idle = (~self._is_used).nonzero().squeeze(1)
        latents = terms.latents.flatten(0, 1)
        chosen = torch.randint(len(latents), (len(idle),), generator=generator)
        self.model.codebook[idle] = latents[chosen.to(latents.device)]
        self._is_used = torch.zeros_like(self._is_used)
