"""The EDM2 denoiser: contract, labels, the learned variance of its loss, forced weight normalisation in the loop."""

import pytest
import torch

from harness.errors import UserError
from harness.interfaces import Batch, DataSpec
from harness.streams import stream
from harness.testing import models
from harness.toolkit.denoising import NoisyLevel
from harness.training.config import TrainingConfig
from harness.training.loop import TrainingLoop
from harness.training.order import BatchOrder
from harness.training.surroundings import Surroundings
from harness.training.task import TrainingTask
from harness_controls import MLEConfig
from harness_controls.mle import MLE
from harness_edm2 import EDM2Config, harness_models, layers
from harness_edm2.model import build
from harness_edm2.presets import TINY

COMPONENT = harness_models()[0]
IMAGES = DataSpec((1, 8, 8), classes=3, preview="images")


def tiny(**settings):
    config = EDM2Config(model_channels=4, attn_resolutions=(4,), channels_per_head=4, **settings)
    return models.build(COMPONENT, config, IMAGES)


def wake(model):
    """Give the gains, which begin at zero, some weight, so that all inputs matter."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("gain"):
                parameter.fill_(0.5)
    return model


def test_the_default_network_is_tiny():
    assert sum(parameter.numel() for parameter in build(EDM2Config(), IMAGES).parameters()) < 100_000


def test_it_keeps_the_contract():
    config = EDM2Config(model_channels=4, attn_resolutions=(4,), channels_per_head=4)
    models.check_model(COMPONENT, config=config, spec=IMAGES)


def test_an_untrained_network_scales_its_input_by_the_skip_alone():
    x = torch.randn(2, 1, 8, 8)
    torch.testing.assert_close(tiny().denoise(x, torch.tensor(0.5), None), x / 2)


def test_labels_matter_and_their_absence_is_a_row_of_zeros():
    model = wake(tiny())
    x, sigma = torch.randn(3, 1, 8, 8), torch.tensor([0.1, 0.5, 2.0])
    labelled, free = model.denoise(x, sigma, torch.tensor([0, 1, 2])), model.denoise(x, sigma, None)
    assert (labelled - free).abs().max() > 1e-4
    torch.testing.assert_close(free, model(x, sigma, torch.zeros(3, 3)))


# The learned variance.


def test_the_log_variance_is_a_gainless_layer_of_waves_of_the_noise_level():
    model, sigma = tiny(logvar_channels=6), torch.tensor([0.1, 2.0])
    waves = model.logvar_fourier(sigma.log() / 4)
    torch.testing.assert_close(model.log_variance(sigma), model.logvar_linear(waves)[:, 0])
    assert model.log_variance(torch.tensor(0.1)).shape == ()


def test_the_loss_has_the_learned_variance_and_the_likelihood_has_not():
    model = wake(tiny())
    x = torch.randn(3, 1, 8, 8)
    draw = model.draw(x, stream(0, "draw"))
    u = model.log_variance(draw.sigma)
    expected = -model.log_likelihood(x, None, draw) / u.exp() + 64 * u
    torch.testing.assert_close(model.training_loss_at(x, None, draw), expected)


def test_the_loss_is_smallest_where_the_variance_is_the_mean_loss():
    model, x = wake(tiny()), torch.randn(1, 1, 8, 8)
    draw = NoisyLevel(torch.tensor([0.5]), torch.randn(1, 1, 8, 8))
    best = (-model.log_likelihood(x, None, draw) / 64).log().item()

    def loss(u):
        model.log_variance = lambda sigma: torch.full_like(sigma, u)
        return model.training_loss_at(x, None, draw).item()

    assert loss(best) < min(loss(best - 0.1), loss(best + 0.1))


# Forced weight normalisation.


def lengths(model):
    weights = [module.weight for module in model.modules() if isinstance(module, layers.Weight)]
    return torch.cat([weight.flatten(1).square().mean(1).sqrt() for weight in weights])


def test_constrain_brings_every_weight_to_unit_length_and_leaves_the_function():
    model, x = wake(tiny()), torch.randn(2, 1, 8, 8)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, layers.Weight):
                module.weight.mul_(3)
    before = model.denoise(x, torch.tensor(0.5), None)
    model.constrain()
    torch.testing.assert_close(lengths(model), torch.ones_like(lengths(model)), rtol=0, atol=1e-3)
    torch.testing.assert_close(model.denoise(x, torch.tensor(0.5), None), before, rtol=0, atol=2e-3)


def test_two_evaluations_before_one_backward_pass_have_exact_gradients():
    model = wake(tiny()).train()
    x = torch.randn(4, 1, 8, 8)
    draw = model.draw(x, stream(0, "draw"))
    for _ in range(3):  # to the fixed point of the length, so that a further call moves weights by rounding only
        model.log_likelihood(x, None, draw)
    names, weights = zip(*model.named_parameters(), strict=True)
    both = model.log_likelihood(x, None, draw).mean() + model.log_likelihood(-x, None, draw).mean()
    together = torch.autograd.grad(both, weights, allow_unused=True)
    single = [model.log_likelihood(sign * x, None, draw).mean() for sign in (1, -1)]
    parts = [torch.autograd.grad(value, weights, allow_unused=True) for value in single]
    for name, whole, first, second in zip(names, together, *parts, strict=True):
        if whole is not None:
            bound = 1e-3 * float(whole.abs().max()) + 1e-6  # of rounding in a sum of many small terms
            torch.testing.assert_close(whole, first + second, rtol=0, atol=bound, msg=name)


def test_the_loop_keeps_weights_at_unit_length_in_eval_mode_as_train_mode_does(tmp_path):
    settings = MLEConfig.model_validate({"optimizer": {"name": "sgd", "lr": 1e-3, "clip": None}})
    training, data = TrainingConfig(images=12, batch=4), Batch(torch.randn(8, 1, 8, 8, generator=stream(0, "x")))
    torch.manual_seed(0)
    model = COMPONENT.create(TINY.config, TINY.spec).eval()
    twin = COMPONENT.create(TINY.config, TINY.spec).train()
    twin.load_state_dict(model.state_dict())
    task = TrainingTask(model, TINY.spec, torch.device("cpu"), training, None)
    TrainingLoop(task, MLE(settings, task), data, training, seed=0, around=Surroundings(tmp_path)).run()
    optimizer, order = torch.optim.SGD(twin.parameters(), 1e-3), BatchOrder(8, 4, 0)
    for step in range(3):
        optimizer.zero_grad()
        twin.training_loss(data.x[order.indices(step)], None, stream(0, "step", step)).mean().backward()
        optimizer.step()
    twin.constrain()
    for name, value in model.state_dict().items():
        # Train mode normalises in each of its evaluations, of which there are others before a step: EPS each time.
        torch.testing.assert_close(value, twin.state_dict()[name], rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(lengths(model), torch.ones_like(lengths(model)), rtol=0, atol=1e-3)


@pytest.mark.parametrize("spec", [DataSpec((2,)), DataSpec((3, 7, 7))])
def test_data_that_do_not_fit_are_the_users_mistake(spec):
    with pytest.raises(UserError, match="model edm2-unet"):
        build(EDM2Config(), spec)
