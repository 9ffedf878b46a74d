"""VAR as the harness uses it: images in, tokens inside, an exact likelihood out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.capabilities import TokenizerTerms, check_labels
from harness.components import ModelUsage
from harness.interfaces import DataSpec
from harness_var import VARConfig
from harness_var.check import fits, tokenizer_file
from harness_var.network import Cache, VARTransformer
from harness_var.tokenizer import VQVAE


class ScaleCache(Cache):
    """Keys and values, and the latent that the tokens so far add up to, (B, Cv, H, W)."""

    total: Tensor | None = None


class VAR(VARTransformer):
    """The transformer with its tokenizer, which stays as it is: its weights take no gradient.

    Provides Trains, Likelihood, Tokens, TrainsTokenizer and NextScale. Images are in [-1, 1]. The state dict has the
    published names of the transformer, without its two constant tables, and those of the tokenizer behind `tokenizer.`;
    files with the tables load too.
    """

    def __init__(self, config: VARConfig, spec: DataSpec) -> None:
        # The mask has infinities, of which averages and differences of weights would make NaN.
        tokenizer = config.tokenizer
        super().__init__(config, spec.classes, tokenizer.vocab_size, tokenizer.z_channels, constants=False)
        self.spec = spec
        self.tokenizer = VQVAE(tokenizer, config.patch_nums, channels=spec.shape[0]).requires_grad_(False)

    @property
    def patch_nums(self) -> tuple[int, ...]:
        """Side of each scale, in tokens."""
        return self.config.patch_nums

    @property
    def null_label(self) -> int:
        """The label of no class."""
        return self.classes

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """Images (B, channels, H, W) -> tokens (B, L) int64. Raises: ValueError for another image size."""
        return self.tokenizer.encode(x.to(self.head.weight.dtype))

    @torch.no_grad()
    def decode(self, tokens: Tensor) -> Tensor:
        """Tokens (B, L) -> images (B, channels, H, W) in [-1, 1]. Raises: ValueError as `VQVAE.scales`."""
        return self.tokenizer.decode(tokens)

    @property
    def codebook(self) -> Tensor:
        """The tokenizer's codes, (V, Cv)."""
        return self.tokenizer.quantize.embedding.weight

    def tokenizer_parameters(self) -> list[nn.Parameter]:
        """The tokenizer's weights."""
        return list(self.tokenizer.parameters())

    def tokenizer_terms(self, x: Tensor) -> TokenizerTerms:
        """As `VQVAE.terms`."""
        return self.tokenizer.terms(x)

    def training_loss(self, x: Tensor, labels: Tensor | None, generator: torch.Generator) -> Tensor:
        """Cross-entropy, (B,), mean over tokens, with labels dropped to the null class and stochastic depth.

        Source: Tian et al. 2024, the published training settings.
        """
        dropped = torch.rand(len(x), generator=generator) < self.config.cond_drop_rate
        labels = torch.where(dropped.to(x.device), self.null_label, self._known(labels, len(x), x.device))
        keep = self._keep(len(x), generator)
        tokens = self.encode(x)
        logits = self(self.tokenizer.teacher_input(tokens), labels, keep=None if keep is None else keep.to(x.device))
        smoothing = self.config.label_smoothing
        losses = functional.cross_entropy(wide(logits).mT, tokens, reduction="none", label_smoothing=smoothing)
        return losses.mean(1)

    def draw(self, x: Tensor, generator: torch.Generator) -> None:
        """Nothing: the likelihood is exact."""

    def log_likelihood(self, x: Tensor, labels: Tensor | None, draw: object) -> Tensor:
        """log p(tokens of x | label), (B,), nats, summed over all tokens of all scales.

        It is exact, for the pyramid of tokens that the tokenizer gives; without labels, that of the null class.
        """
        return self.token_log_probs(self.encode(x), labels).sum(1)

    def token_log_probs(self, tokens: Tensor, labels: Tensor | None) -> Tensor:
        """log p of each token (B, L) given the smaller scales and the label, (B, L), nats.

        Raises: ValueError for tokens outside the codebook, or of another number than the scales have, and for labels outside
            the classes.
        """
        logits = self(self.tokenizer.teacher_input(tokens), self._known(labels, len(tokens), tokens.device))
        return wide(logits).log_softmax(-1).gather(-1, tokens[..., None]).squeeze(-1)

    def new_cache(self) -> ScaleCache:
        """An empty cache for one run through the scales."""
        return ScaleCache(self.config.depth)

    def scale_logits(self, smaller: Sequence[Tensor], labels: Tensor, cache: object | None) -> Tensor:
        """Logits of the next scale, (B, p * p, V).

        Args:
            smaller: tokens of all smaller scales, (B, p * p) each. labels: (B,), with `null_label` for no class.
            cache: from `new_cache`, having seen the smaller scales; None computes them anew.
        Raises: ValueError for labels outside the classes.
        """
        check_labels(labels, self.classes)
        quantize, scale = self.tokenizer.quantize, len(smaller)
        if scale == 0:
            x = self.head.weight.new_empty(len(labels), 0, self.config.tokenizer.z_channels)
        elif isinstance(cache, ScaleCache):
            detail = quantize.detail(smaller[-1], scale - 1)
            cache.total = detail if cache.total is None else cache.total + detail
            x = quantize.next_input(cache.total, scale)
        else:
            x = quantize.teacher_input(smaller)
        logits: Tensor = self(x, labels, cache=cache)
        return wide(logits[:, -self.lengths[scale] :])

    def load_state_dict(self, state_dict: Mapping[str, Tensor], strict: bool = True, assign: bool = False) -> object:
        """As torch's. Constant tables of published files are left out: they follow from the settings."""
        known = {name: value for name, value in state_dict.items() if name not in ("lvl_1L", "attn_bias_for_masking")}
        return super().load_state_dict(known, strict=strict, assign=assign)

    def _known(self, labels: Tensor | None, n: int, device: torch.device) -> Tensor:
        if labels is None:
            return torch.full((n,), self.null_label, device=device)
        check_labels(labels, self.classes)
        return labels

    def _keep(self, n: int, generator: torch.Generator) -> Tensor | None:
        """(n, depth, 2): 0 for a branch that is dropped, 1 / (1 - rate) for one that is kept; None at rate 0."""
        if self.config.drop_path_rate == 0:
            return None
        rates = torch.linspace(0, self.config.drop_path_rate, self.config.depth)[:, None]
        kept = torch.rand(n, self.config.depth, 2, generator=generator) >= rates
        return kept / (1 - rates)


def wide(logits: Tensor) -> Tensor:
    """Half precision to float32: a log-softmax over thousands of codes loses its digits in less."""
    return logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits


def build(config: VARConfig, spec: DataSpec) -> VAR:
    """A VAR with random weights, and the tokenizer's from its file where one is named.

    Raises: UserError for images that scales and tokenizer do not fit, or a file that does not fit the tokenizer.
    """
    fits(config, ModelUsage(spec))
    model = VAR(config, spec)
    if config.tokenizer.weights is not None:
        tokenizer_file(config.tokenizer).load(model.tokenizer)
    return model
