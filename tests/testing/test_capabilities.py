"""The check of each capability passes a network that keeps its promises, and finds each way to break one."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from harness.capabilities import Gaussian
from harness.interfaces import DataSpec
from harness.testing import capabilities

SPEC = DataSpec((2,), classes=3)
WIDTH = 2


class Network(nn.Module):
    """Keeps every promise about points: a layer, and labels that shift what it gives."""

    transitions = 3
    sigma_range = (0.1, 10.0)
    null_label = 3
    chain_betas = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.layer = nn.Linear(WIDTH, WIDTH)

    def forward(self, x, level, labels=None):
        level = torch.as_tensor(level, dtype=torch.float32)
        shift = level if level.dim() == 0 else level[:, None]
        given = torch.full((len(x),), 3) if labels is None else labels
        return self.layer(x) + 0.1 * shift + 0.1 * given[:, None]

    def training_draw(self, x, generator):
        return torch.randn(x.shape, generator=generator)

    def training_loss_at(self, x, labels, draw):
        return (self(x + draw, 1.0, labels) - x).square().sum(1)

    def training_loss(self, x, labels, generator):
        return self.training_loss_at(x, labels, self.training_draw(x, generator))

    def draw(self, x, generator):
        return torch.randn(x.shape, generator=generator)

    def log_likelihood(self, x, labels, draw):
        return -self.training_loss_at(x, labels, draw)

    def transition(self, x, step):
        step = torch.as_tensor(step, dtype=torch.float32)
        return Gaussian(self(x, step), 1 + (step if step.dim() == 0 else step[:, None]))

    def denoise(self, x, sigma, labels):
        return self(x, sigma, labels)

    def predict_noise(self, x, time, labels):
        return self(x, time, labels)


def with_members(**members):
    """The network with some of its members changed."""
    return type("Changed", (Network,), members)()


def after(method, change):
    """The network whose method gives a changed result."""
    original = getattr(Network, method)
    return with_members(**{method: lambda self, *arguments: change(original(self, *arguments))})


@pytest.mark.parametrize("spec", [SPEC, DataSpec((2,))])
@pytest.mark.parametrize("check", [
    capabilities.check_trains, capabilities.check_trains_in_parts, capabilities.check_likelihood,
    capabilities.check_transitions, capabilities.check_denoises, capabilities.check_noise_chain, capabilities.check_null_label,
])  # fmt: skip
def test_a_network_that_keeps_its_promises_passes(check, spec):
    check(Network(), spec)


@pytest.mark.parametrize(("check", "missing"), [
    (capabilities.check_trains, "training_loss"),
    (capabilities.check_likelihood, "draw, log_likelihood"),
    (capabilities.check_transitions, "transition, transitions"),
    (capabilities.check_denoises, "denoise, sigma_range"),
    (capabilities.check_noise_chain, "chain_betas, predict_noise"),
    (capabilities.check_null_label, "null_label"),
    (capabilities.check_works_in_latents, "autoencoder_identity, decode_latents, draw_latents, encode_images, latent_shape"),
])  # fmt: skip
def test_members_that_are_missing_are_named(failure, check, missing):
    assert failure(check, nn.Linear(2, 2), SPEC).startswith(f"the model is a Linear without {missing}; it must be a harness.cap")


def bypassing(self, x, labels, generator):
    return (self.layer(x) - x).square().sum(1)


def halved(self, x, labels, generator):
    return torch.cat([Network.training_loss(self, x[rows], None, generator) for rows in (slice(0, 4), slice(4, 6))])


@pytest.mark.parametrize(("network", "message"), [
    (after("training_loss", torch.mean), "training_loss gave (), not one value for each example, (6,)"),
    (after("training_loss", lambda loss: loss / 0), "training_loss is not finite on ordinary data"),
    (after("training_loss", lambda loss: loss + torch.rand(())), "training_loss does not repeat with its generator"),
    (after("training_loss", torch.Tensor.detach), "training_loss is not differentiable in the weights"),
    (after("training_loss", lambda loss: 0 * loss), "training_loss has no gradient in the weights"),
    (with_members(training_loss=bypassing),
     "training_loss bypasses the module's forward, where the harness counts evaluations of the network"),
    (with_members(training_loss=halved), "training_loss calls forward with 4 rows for 6 examples"),
])  # fmt: skip
def test_training_losses_that_break_a_promise_are_found(failure, network, message):
    assert failure(capabilities.check_trains, network, SPEC) == message


def mixing(self, x, labels, draw):
    """Each example's loss depends on the others of its batch."""
    return Network.training_loss_at(self, x, labels, draw) + x.square().mean()


@pytest.mark.parametrize(("network", "message"), [
    (after("training_draw", torch.neg), None),  # another draw for both ways alike is fine
    (after("training_loss", lambda loss: 2 * loss), "training_loss_at and training_loss differ by"),
    (with_members(training_loss_at=mixing), "the training losses of a micro-batch alone and in its batch differ by"),
])  # fmt: skip
def test_losses_in_parts_that_break_a_promise_are_found(failure, network, message):
    if message is None:
        capabilities.check_trains_in_parts(network, SPEC)
    else:
        assert failure(capabilities.check_trains_in_parts, network, SPEC).startswith(message)


class RemembersItsIdentity(Network):
    """A copy is told apart from its original."""

    is_copy = False

    def __deepcopy__(self, memo):
        twin = type(self)()
        twin.load_state_dict(copy.deepcopy(self.state_dict(), memo))
        twin.is_copy = True
        return twin

    def log_likelihood(self, x, labels, draw):
        return super().log_likelihood(x, labels, draw) - float(self.is_copy)


class Frozen(Network):
    """Computes with weights that are not its own."""

    def __init__(self):
        super().__init__()
        self.other = [copy.deepcopy(self.layer)]

    def log_likelihood(self, x, labels, draw):
        self(x, 1.0)  # counted, and forgotten
        return -(self.other[0](x) + 0 * self.layer(x)).square().sum(1)


def drawing_globally(self, x, generator):
    return torch.randn(x.shape)


@pytest.mark.parametrize(("network", "message"), [
    (after("log_likelihood", torch.sum), "log_likelihood gave (), not one value for each example, (6,)"),
    (after("log_likelihood", lambda value: value.log()), "log_likelihood is not finite on ordinary data"),
    (RemembersItsIdentity(), "a copy of the model differs at the same draw"),
    (with_members(draw=drawing_globally), "the same generator does not give the same draw"),
    (Frozen(), "log_likelihood does not depend on the weights"),
    (after("log_likelihood", torch.Tensor.detach), "log_likelihood is not differentiable in the weights"),
])  # fmt: skip
def test_likelihoods_that_break_a_promise_are_found(failure, network, message):
    assert failure(capabilities.check_likelihood, network, SPEC) == message


def for_one_step_alone(self, x, step):
    """A batch of steps is taken as its first one."""
    first = step if isinstance(step, int) else int(step[0])
    return Network.transition(self, x, first)


def with_other_std_for_each(self, x, step):
    mean, std = Network.transition(self, x, step)
    return Gaussian(mean, std if isinstance(step, int) else std + 1)


@pytest.mark.parametrize(("network", "message"), [
    (with_members(transitions=0), "transitions is 0; a chain has at least one step"),
    (after("transition", lambda next_state: Gaussian(next_state.mean[:, :1], next_state.std)),
     "transition's mean is (6, 1), the state (6, 2)"),
    (after("transition", lambda next_state: Gaussian(next_state.mean, next_state.std - 1)), "the std of step 0 is not above 0"),
    (after("transition", lambda next_state: Gaussian(next_state.mean, next_state.std / 0)), "the std of step 0 is not above 0"),
    (with_members(transition=with_other_std_for_each), "the stds of step 0 for all and for each differ by 1"),
    (with_members(transition=for_one_step_alone), "the means of an example alone and among other steps differ by"),
    (after("transition", lambda next_state: Gaussian(next_state.mean.detach(), next_state.std)),
     "transition is not differentiable in the weights"),
])  # fmt: skip
def test_transitions_that_break_a_promise_are_found(failure, network, message):
    assert failure(capabilities.check_transitions, network, SPEC).startswith(message)


def of_the_first_level(self, x, level, labels):
    level = torch.as_tensor(level)
    return self(x, level if level.dim() == 0 else level.flip(0) * torch.arange(len(x)), labels)


@pytest.mark.parametrize(("network", "message"), [
    (with_members(sigma_range=(0.0, 10.0)), "sigma_range is (0.0, 10.0); need 0 < low < high"),
    (with_members(sigma_range=(2.0, 1.0)), "sigma_range is (2.0, 1.0); need 0 < low < high"),
    (with_members(sigma_range=(1.0, float("inf"))), "sigma_range is (1.0, inf); need 0 < low < high"),
    (after("denoise", lambda clean: clean.sum(1)), "denoise gave (6,) for (6, 2)"),
    (with_members(denoise=lambda self, x, sigma, labels: self(x, (sigma - 0.1).log(), labels)),
     "denoise is not finite at sigma = 0.1"),
    (with_members(denoise=of_the_first_level), "the results at sigma = 0.1 for all and for each differ by"),
])  # fmt: skip
def test_denoisers_that_break_a_promise_are_found(failure, network, message):
    assert failure(capabilities.check_denoises, network, SPEC).startswith(message)


@pytest.mark.parametrize(("network", "message"), [
    (with_members(chain_betas=torch.tensor([0.1])), "chain_betas is (1,) torch.float32, not (T,) float64 on the CPU"),
    (with_members(chain_betas=torch.zeros(2, 2).double()), "chain_betas is (2, 2) torch.float64, not (T,) float64 on the CPU"),
    (with_members(chain_betas=torch.zeros(0).double()), "chain_betas is (0,) torch.float64, not (T,) float64 on the CPU"),
    (with_members(chain_betas=torch.tensor([0.1, 1.0]).double()), "chain_betas are not all between 0 and 1"),
    (after("predict_noise", lambda noise: noise[:2]), "predict_noise gave (2, 2) for (6, 2)"),
    (with_members(predict_noise=lambda self, x, time, labels: self(x, torch.as_tensor(time).log(), labels)),
     "predict_noise is not finite at time 0"),
    (with_members(predict_noise=of_the_first_level), "the results at time 3 for all and for each differ by"),
])  # fmt: skip
def test_noise_predictors_that_break_a_promise_are_found(failure, network, message):
    assert failure(capabilities.check_noise_chain, network, SPEC).startswith(message)


@pytest.mark.parametrize("label", [0, 2])
def test_a_null_label_that_is_a_label_of_the_data_is_found(failure, label):
    message = failure(capabilities.check_null_label, with_members(null_label=label), SPEC)
    assert message == f"null_label is {label}, a label of the data: 0 to 2"


def test_a_null_label_that_means_something_is_found(failure):
    message = failure(capabilities.check_null_label, with_members(null_label=4), SPEC)
    assert message == "null_label and no labels give other likelihoods"


IMAGES = DataSpec((1, 4, 4), preview="images")


class Latents(nn.Module):
    """Latents are means over 2×2 pixels with a little noise."""

    latent_shape = (1, 2, 2)

    def forward(self, x):
        return x

    def autoencoder_identity(self):
        return {"factor": 2}

    def encode_images(self, x):
        return nn.functional.avg_pool2d(x, 2)

    def draw_latents(self, kept, generator):
        return kept + 0.1 * torch.randn(kept.shape, generator=generator)

    def decode_latents(self, latents):
        return nn.functional.interpolate(latents, scale_factor=2).clamp(-1, 1)


def latents_with(method, change):
    original = getattr(Latents, method)
    return type("Changed", (Latents,), {method: lambda self, *arguments: change(self, original(self, *arguments))})()


def test_a_model_that_works_in_latents_passes():
    capabilities.check_works_in_latents(Latents(), IMAGES)


numbers = iter(range(100))


@pytest.mark.parametrize(("model", "message"), [
    (latents_with("encode_images", lambda _, kept: kept[1:]), "encode_images does not give one row for each image"),
    (latents_with("encode_images", lambda _, kept: kept.requires_grad_()), "encode_images does not give one row for each image"),
    (latents_with("draw_latents", lambda _, latents: latents.flatten(1)), "draw_latents gave (6, 4), not (1, 2, 2) for each"),
    (latents_with("draw_latents", lambda _, latents: latents + torch.rand(())), "draw_latents does not repeat with its"),
    (latents_with("decode_latents", lambda _, images: images[:, :, 1:]), "decode_latents gave (6, 1, 3, 4), not (1, 4, 4) each"),
    (latents_with("decode_latents", lambda _, images: images + 1.1), "decode_latents leaves [-1, 1]"),
    (latents_with("decode_latents", lambda _, images: images / len(images)), "decode_latents mixes examples"),
    (latents_with("autoencoder_identity", lambda _, facts: {**facts, "call": next(numbers)}), "autoencoder_identity does not"),
    (latents_with("encode_images", lambda self, kept: self(kept)), "encoding or decoding goes through the network's forward"),
    (latents_with("decode_latents", lambda self, images: self(images)), "encoding or decoding goes through the network's"),
])  # fmt: skip
def test_ways_to_latents_that_break_a_promise_are_found(failure, model, message):
    assert failure(capabilities.check_works_in_latents, model, IMAGES).startswith(message)
    assert not model._forward_pre_hooks
