"""Optimisers as settings: the same choices for every method, with warm-up, decay and gradient clipping."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from harness.config import Config

if TYPE_CHECKING:
    from torch import Tensor


class OptimizerConfig(Config):
    """An optimiser and its learning-rate schedule."""

    name: Literal["adam", "adamw", "rmsprop", "sgd"] = Field("adam", description="algorithm, as in torch.optim")
    lr: float = Field(1e-3, gt=0, description="peak learning rate")
    betas: tuple[float, float] = Field((0.9, 0.999), description="Adam's and AdamW's moment decays")
    weight_decay: float = Field(0.0, ge=0, description="as in torch.optim")
    clip: float | None = Field(None, gt=0, description="largest gradient norm over all parameters; none clips nothing")
    warmup: float = Field(0.0, ge=0, le=1, description="share of the updates over which the rate rises linearly from 0")
    decay: Literal["constant", "linear", "cosine"] = Field(
        "constant", description="shape of the rate after warm-up; linear and cosine end at 0"
    )

    def factor(self, update: int, updates: int) -> float:
        """Share of the peak rate at update number `update` of `updates`, in [0, 1]."""
        warm = self.warmup * updates
        if update < warm:
            return (update + 1) / warm if warm >= 1 else 1.0
        progress = (update - warm) / max(updates - warm, 1)
        if self.decay == "linear":
            return max(1 - progress, 0.0)
        if self.decay == "cosine":
            return 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
        return 1.0


class Optimizer:
    """A torch optimiser that clips and schedules; `update(loss)` is backward and step.

    Args:
        updates: how many updates there will be in all, for the schedule.
    """

    def __init__(self, config: OptimizerConfig, parameters: Iterable[object], updates: int) -> None:
        import torch

        self.config, self.updates, self.count = config, updates, 0
        self.parameters = [parameter for parameter in parameters if parameter.requires_grad]  # type: ignore[attr-defined]
        options: dict[str, object] = {"lr": config.lr, "weight_decay": config.weight_decay}
        if config.name in ("adam", "adamw"):
            options["betas"] = config.betas
            options["fused"] = True  # less than half the time of torch's loop over operations, on CPUs too
        else:
            options["foreach"] = True  # a quarter less time than one parameter after the other, on CPUs too
        optim = torch.optim
        kinds = {"adam": optim.Adam, "adamw": optim.AdamW, "rmsprop": optim.RMSprop, "sgd": optim.SGD}
        self.torch = kinds[config.name](self.parameters, **options)
        self._scheduled = config.warmup > 0 or config.decay != "constant"

    def zero(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters:
            parameter.grad = None  # type: ignore[attr-defined]

    def apply(self) -> None:
        """Clip the gradients that are there, and step."""
        import torch

        if self.config.clip is not None:
            torch.nn.utils.clip_grad_norm_(self.parameters, self.config.clip)  # type: ignore[arg-type]
        if self._scheduled:
            rate = self.config.lr * self.config.factor(self.count, self.updates)
            for group in self.torch.param_groups:
                group["lr"] = rate
        self.torch.step()
        self.count += 1

    def update(self, loss: object) -> None:
        """Zero, backward, clip, step."""
        self.zero()
        loss.backward()  # type: ignore[attr-defined]
        self.apply()

    def update_in_parts(self, losses: Iterable[Tensor]) -> Tensor:
        """As `update` on the sum of the losses, of which one at a time is made and followed backwards.

        Returns: the sum, 0-dim, detached.
        """
        self.zero()
        total: Tensor | None = None
        for loss in losses:
            loss.backward()
            total = loss.detach() if total is None else total + loss.detach()
        assert total is not None, "no losses"
        self.apply()
        return total

    def state_dict(self) -> dict[str, object]:
        return {"torch": self.torch.state_dict(), "count": self.count}

    def load_state_dict(self, state: dict[str, object]) -> None:
        self.torch.load_state_dict(state["torch"])
        self.count = int(state["count"])  # type: ignore[call-overload]
