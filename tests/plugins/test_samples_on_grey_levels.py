"""DDO, Neon and SFT-PG on samples in the range and on the grey levels of real images."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from harness.capabilities import Gaussian
from harness.components import MethodUsage, Model
from harness.config import Config
from harness.errors import UserError
from harness.interfaces import Batch, DataSpec
from harness.plugins import registry
from harness.streams import SampleStreams, stream
from harness.testing.task import InMemoryTask
from harness_ddo import DDOConfig
from harness_ddo import check as check_ddo
from harness_ddo.method import DDO
from harness_neon import NeonConfig
from harness_neon import check as check_neon
from harness_neon.method import Neon
from harness_sft_pg import SFTPGConfig
from harness_sft_pg.choice import check as check_sft_pg
from harness_sft_pg.policy import SFTPG

SPEC = DataSpec((1, 2, 2), preview="images")
REAL = torch.tensor([-1.0, 0.2, 0.6, 1.0]).view(1, 1, 2, 2).expand(8, -1, -1, -1)


class Grey(nn.Module):
    """A learned grey level, which notes the images that it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.level = nn.Parameter(torch.zeros(1))
        self.seen: list[Tensor] = []

    def draw(self, x: Tensor, generator: torch.Generator) -> None:
        return None

    def log_likelihood(self, x: Tensor, labels: Tensor | None, draw: object) -> Tensor:
        self.seen.append(x)
        return -(x - self.level).square().flatten(1).sum(1)

    def training_loss(self, x: Tensor, labels: Tensor | None, generator: torch.Generator) -> Tensor:
        return -self.log_likelihood(x, labels, None)


def noted(task: InMemoryTask) -> list[Tensor]:
    """Return the images that the task's model saw."""
    assert isinstance(task.model, Grey)
    return task.model.seen


def beyond_white(model: nn.Module, spec: DataSpec, streams: SampleStreams, labels: Tensor | None) -> Tensor:
    """Samples of which some values lie outside of [-1, 1], and hardly any on a grey level of bytes."""
    return 1.5 * streams.normal(*spec.shape).tanh() + 1e-4


def test_ddo_compares_real_images_with_fakes_in_their_range_and_on_their_levels() -> None:
    for fakes in ("bank", "online"):
        seen = {}
        for levels in (None, 256):
            task = InMemoryTask(Grey(), SPEC, beyond_white, steps=1, batch=8)
            config = DDOConfig.model_validate({"grey_levels": levels, "fakes": fakes, "bank_size": 16})
            DDO(config, task).step(Batch(REAL), stream(0, "t"), 0)
            real, seen[levels] = noted(task)
            assert torch.equal(real, REAL)
        assert seen[None].abs().max() > 1
        assert_rounded(seen[256], seen[None])


def test_neon_trains_on_samples_in_the_range_and_on_the_levels_of_real_images() -> None:
    seen = {}
    for levels in (None, 256):
        task = InMemoryTask(Grey(), SPEC, beyond_white, steps=1, batch=8)
        Neon(NeonConfig.model_validate({"grey_levels": levels, "bank_size": 16}), task).step(Batch(REAL), stream(0, "t"), 0)
        (seen[levels],) = noted(task)
    assert_rounded(seen[256], seen[None])


class Wide(nn.Module):
    """Three steps, each of which adds noise as large as the data."""

    transitions = 3

    def __init__(self) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(1))

    def transition(self, x: Tensor, step: Tensor) -> Gaussian:
        return Gaussian(x + self.shift, torch.tensor(1.0))


@pytest.mark.parametrize("regulariser", ["baseline", "gradient-penalty"])
def test_the_critic_of_sft_pg_sees_samples_in_the_range_and_on_the_levels_and_its_value_network_does_not(
    regulariser: str,
) -> None:
    seen: dict[int | None, list[Tensor]] = {}
    for levels in (None, 256):
        config = SFTPGConfig.model_validate({"grey_levels": levels, "n_critic": 1, "regulariser": regulariser})
        method = SFTPG(config, InMemoryTask(Wide(), SPEC, beyond_white, steps=1, batch=8))
        of_critic, of_value = seen.setdefault(levels, []), list[Tensor]()
        method.critic.register_forward_pre_hook(lambda _, args, to=of_critic: to.append(args[0].detach()))
        method.value.register_forward_pre_hook(lambda _, args, to=of_value: to.append(args[0].detach()))
        method.step(Batch(REAL), stream(0, "t"), 0)
        assert of_value
        assert all(x.abs().max() > 1 for x in of_value)
        assert torch.equal(of_critic[0][8:], REAL)
    assert len(seen[None]) == len(seen[256]) == (2 if regulariser == "baseline" else 3)
    assert_rounded(seen[256][0][:8], seen[None][0][:8])
    assert_rounded(seen[256][-1], seen[256][-1])


def assert_rounded(found: Tensor, samples: Tensor) -> None:
    """Compare with the samples, clipped, of which each value is at most half a level away."""
    levels = (found + 1) * 127.5
    torch.testing.assert_close(levels, levels.round(), rtol=0, atol=1e-4)
    torch.testing.assert_close(found, samples.clamp(-1, 1), rtol=0, atol=0.5 / 127.5 + 1e-6)


CHECKS = [
    pytest.param(check_ddo, DDOConfig, "ddo", id="ddo"),
    pytest.param(check_neon, NeonConfig, "neon", id="neon"),
    pytest.param(check_sft_pg, SFTPGConfig, "sft-pg", id="sft-pg"),
]


@pytest.mark.parametrize(("check", "config", "name"), CHECKS)
def test_data_without_grey_levels_are_a_reason_to_skip(check: Callable[..., None], config: type[Config], name: str) -> None:
    settings = config.model_validate({"grey_levels": 17})
    models = {name: registry().get(Model, name, where="test") for name in ("edm-unet", "maskgit")}
    check(settings, MethodUsage(models["edm-unet"], SPEC))
    for data in (DataSpec((2,)), DataSpec((4, 8, 8), preview="latents")):
        with pytest.raises(UserError, match=f"{data.preview}, which have no grey levels, which {name} needs for grey_levels: 17"):
            check(settings, MethodUsage(models["edm-unet"], data))
    assert "grey_levels" not in config().identity


@pytest.mark.parametrize(("check", "config", "name"), CHECKS[:2])
def test_tokens_have_no_grey_levels(check: Callable[..., None], config: type[Config], name: str) -> None:
    tokens = config.model_validate({"grey_levels": 256, "samples_as": "tokens"})
    with pytest.raises(UserError, match=f"{name}: tokens have no grey levels"):
        check(tokens, MethodUsage(registry().get(Model, "maskgit", where="test"), SPEC))
