"""Training a tokenizer: images to tokens and back, with codes that are all of use."""

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
    """Minimises reconstruction + commitment * |z - sg(q)|^2 + codebook * |sg(z) - q|^2 over the tokenizer's weights alone.

    z are latents, q their codes, sg stops the gradient. There is neither a discriminator nor a perceptual term: published
    tokenizers of photographs have both, and small images do without. Source: van den Oord et al. 2017, Eq. 3; the moving of
    unused codes: Dhariwal et al. 2020, Section 3.2.
    """

    config: TokenizerConfig

    def __init__(self, config: TokenizerConfig, task: Task) -> None:
        super().__init__(config, task)
        self.model = cast(TrainsTokenizer, task.model)
        weights = [parameter.requires_grad_(True) for parameter in self.model.tokenizer_parameters()]
        self.optimizer = Optimizer(config.optimizer, weights, updates=task.steps)
        self.keep(optimizer=self.optimizer)
        self._used = torch.zeros(len(self.model.codebook), dtype=torch.bool, device=task.device)

    def step(self, batch: Batch, generator: torch.Generator, index: int) -> Mapping[str, Tensor]:
        """One update.

        Logs `loss`, `reconstruction`, `commitment`, and `perplexity`: the exponential of the entropy of the batch's tokens,
        at most the number of codes.
        """
        terms = self.model.tokenizer_terms(batch.x)
        error = self._error(terms.reconstructed, batch.x).mean()
        commitment = terms.commitment.mean()
        loss = error + self.config.commitment * commitment + self.config.codebook * terms.codebook.mean()
        self.optimizer.update(loss)
        counts = torch.bincount(terms.tokens.flatten(), minlength=len(self._used))
        self._revive(counts > 0, terms, generator, index)
        return {
            "loss": loss.detach(),
            "reconstruction": error.detach(),
            "commitment": commitment.detach(),
            "perplexity": torch.special.entr(counts / counts.sum()).sum().exp(),
        }

    def state_dict(self) -> dict[str, object]:
        """The optimiser, and which codes were used since the last revival."""
        return {**super().state_dict(), "used": self._used}

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Restore what `state_dict` gave."""
        super().load_state_dict(state)
        self._used = cast(Tensor, state["used"]).to(self.task.device)

    def _error(self, reconstructed: Tensor, x: Tensor) -> Tensor:
        difference = reconstructed - x
        return difference.square() if self.config.reconstruction == "squared" else difference.abs()

    @torch.no_grad()
    def _revive(self, used: Tensor, terms: TokenizerTerms, generator: torch.Generator, index: int) -> None:
        """Every `revive_every` steps, codes that were not used since then move to latents of this batch, drawn at random."""
        self._used = self._used | used
        every = self.config.revive_every
        if every == 0 or (index + 1) % every:
            return
        idle = (~self._used).nonzero().squeeze(1)
        latents = terms.latents.flatten(0, 1)
        chosen = torch.randint(len(latents), (len(idle),), generator=generator)
        self.model.codebook[idle] = latents[chosen.to(latents.device)]
        self._used = torch.zeros_like(self._used)
