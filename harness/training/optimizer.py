"""Optimisers that are chosen by settings: every method has the same choices, with warm-up, decay and gradient clipping.

Importing this module costs no torch, so that plugins can name `OptimizerConfig` in their settings.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from harness.config import Config

if TYPE_CHECKING:
    from torch import Tensor


_ADAMS = ("adam", "adamw")


MomentDecay = Annotated[float, Field(ge=0, lt=1)]


class OptimizerConfig(Config):
    """An optimiser and its learning-rate schedule."""

    ADDED_LATER = frozenset({"cooldown", "decay_1d"})

    name: Literal["adam", "adamw", "rmsprop", "sgd"] = Field("adam", description="algorithm, as in torch.optim")
    lr: float = Field(1e-3, gt=0, description="peak learning rate")
    betas: tuple[MomentDecay, MomentDecay] = Field((0.9, 0.999), description="Adam's and AdamW's moment decays")
    weight_decay: float = Field(0.0, ge=0, description="as in torch.optim")
    clip: float | None = Field(None, gt=0, description="largest gradient norm over all parameters; none clips nothing")
    warmup: float = Field(0.0, ge=0, le=1, description="share of the updates over which the rate rises linearly from 0")
    decay: Literal["constant", "linear", "cosine", "cooldown", "inverse-sqrt"] = Field(
        "constant",
        description="shape of the rate after warm-up; linear, cosine and cooldown end at 0, inverse-sqrt falls as one over the "
        "root of the updates",
    )
    cooldown: float = Field(
        0.2, gt=0, le=1, description="share of the updates after warm-up over which `decay: cooldown` falls to 0, at the end"
    )
    decay_1d: bool = Field(
        True, description="whether weight decay acts on parameters of one axis too: biases, and gains of normalisations"
    )

    @model_validator(mode="after")
    def _has_a_time_to_fall_from(self) -> OptimizerConfig:
        if self.decay == "inverse-sqrt" and not self.warmup:
            raise ValueError("decay: inverse-sqrt falls from the end of the warm-up on: it needs a `warmup` above 0")
        return self

    @property
    def unused(self) -> frozenset[str]:
        """Names of the settings that the algorithm and the schedule do not use."""
        used = {"betas": self.name in _ADAMS, "cooldown": self.decay == "cooldown", "decay_1d": self.weight_decay > 0}
        return frozenset(name for name, is_used in used.items() if not is_used)

    def factor(self, update: int, updates: int) -> float:
        """Return the learning rate at an update, as a share of the peak rate.

        With w = warmup * updates, update k (counted from 0) has the share min((k + 1) / w, 1) while k < w. After that, with
        p = (k - w) / (updates - w), the share is 1 - p for `linear`, (1 + cos(pi p)) / 2 for `cosine`, and for `cooldown` with
        its share c it is 1 up to p = 1 - c, and then (1 - p) / c. For `inverse-sqrt` it is sqrt(w / (k + 1)), so that a warm-up
        over 0.16 of the updates ends at 0.4. Returns: in [0, 1].
        """
        warm = self.warmup * updates
        if update < warm:
            return min((update + 1) / max(warm, 1.0), 1.0)  # a warm-up of less than one update warms nothing up
        progress = (update - warm) / max(updates - warm, 1)
        if self.decay == "linear":
            return max(1 - progress, 0.0)
        if self.decay == "inverse-sqrt":
            return min(math.sqrt(warm / (update + 1)), 1.0)
        if self.decay == "cooldown":
            return min(max(1 - progress, 0.0) / self.cooldown, 1.0)
        if self.decay == "cosine":
            return 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
        return 1.0


class Optimizer:
    """A torch optimiser that clips gradients and follows a schedule.

    Args:
        parameters: weights to train; those that require no gradient are left out.
        updates: number of updates in all, over which the schedule runs.
    """

    def __init__(self, config: OptimizerConfig, parameters: Iterable[Tensor], updates: int) -> None:
        import torch

        self.config, self.updates, self.count = config, updates, 0
        self.parameters = [parameter for parameter in parameters if parameter.requires_grad]
        options: dict[str, object] = {"lr": config.lr, "weight_decay": config.weight_decay}
        if config.name in _ADAMS:
            options["betas"] = config.betas
            # Less than half the time of torch's loop over operations, on CPUs too. The meta device has no such kernel.
            options["fused"] = not any(parameter.is_meta for parameter in self.parameters)
        else:
            options["foreach"] = True  # a quarter less time than one parameter after the other, on CPUs too
        optim = torch.optim
        kinds = {"adam": optim.Adam, "adamw": optim.AdamW, "rmsprop": optim.RMSprop, "sgd": optim.SGD}
        self.torch = kinds[config.name](
            self._groups() if config.weight_decay and not config.decay_1d else self.parameters, **options
        )
        self._has_schedule = config.warmup > 0 or config.decay != "constant"

    def _groups(self) -> list[dict[str, object]]:
        """Return the parameters in groups of torch.optim: those that decay, and those of one axis at most, which do not."""
        decaying = [parameter for parameter in self.parameters if parameter.dim() > 1]
        others = [parameter for parameter in self.parameters if parameter.dim() <= 1]
        groups: list[dict[str, object]] = [{"params": decaying}, {"params": others, "weight_decay": 0.0}]
        return [group for group in groups if group["params"]]

    def update(self, loss: Tensor) -> None:
        """Take one update on a loss: forget old gradients, compute new ones, clip them, step."""
        from harness.training.precision import backward

        self.zero()
        backward(loss)
        self.apply()

    def update_in_parts(self, losses: Iterable[Tensor]) -> Tensor:
        """Take one update on the sum of the losses. Each loss is computed and differentiated before the next one.

        Returns: the sum, 0-dim, detached.
        """
        from harness.training.precision import backward

        self.zero()
        total: Tensor | None = None
        for loss in losses:
            backward(loss)
            total = loss.detach() if total is None else total + loss.detach()
        if total is None:
            raise ValueError("an update needs at least one loss")
        self.apply()
        return total

    def zero(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    def apply(self) -> None:
        """Average the gradients over the processes of the job, clip those that are there, set the learning rate, and step."""
        import torch

        from harness.sampling import sharing

        if (group := sharing.active()) is not None:
            from harness.training.shared_network import average_gradients

            average_gradients([each for each in self.parameters if not sharing.is_averaged(each)], group)
        if self.config.clip is not None:
            torch.nn.utils.clip_grad_norm_(self.parameters, self.config.clip)
        if self._has_schedule:
            rate = self.config.lr * self.config.factor(self.count, self.updates)
            for group in self.torch.param_groups:
                group["lr"] = rate
        self.torch.step()
        self.count += 1

    def state_dict(self) -> dict[str, object]:
        """Return the torch optimiser's state, and the number of updates taken."""
        return {"torch": self.torch.state_dict(), "count": self.count}

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Restore what `state_dict` returned."""
        self.torch.load_state_dict(state["torch"])
        self.count = int(state["count"])  # type: ignore[call-overload]
