"""EDM2: presets, magnitudes, forced normalisation, averages. Agreement with the reference is in tests/parity."""

import math

import numpy as np
import pytest
import torch
from published_layout import check_layout

from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.streams import stream
from harness.testing import models
from harness.training import averages
from harness_edm2 import EDM2Config, harness_models, layers, published_training
from harness_edm2.model import build
from harness_edm2.presets import PRESETS
from harness_edm2.published import from_arguments

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


@pytest.mark.parametrize("name", [name for name in PRESETS if "tiny" not in name])
def test_a_preset_has_the_published_names_and_shapes(name):
    config = PRESETS[name].config
    assert isinstance(config, EDM2Config)
    if config.vae is not None:
        pytest.importorskip("diffusers")
    check_layout(PRESETS[name], build, f"edm2/{name}.keys.json.gz", apart="vae.")


def test_the_default_network_is_tiny():
    assert sum(parameter.numel() for parameter in build(EDM2Config(), IMAGES).parameters()) < 100_000


def test_it_keeps_the_contract():
    config = EDM2Config(model_channels=4, attn_resolutions=(4,), channels_per_head=4)
    models.check_model(COMPONENT, config=config, spec=IMAGES)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 1.0])
def test_sums_and_concatenations_keep_unit_variance(share):
    a, b = torch.randn(64, 10, 16, 16), torch.randn(64, 30, 16, 16)
    joined = layers.concatenate(a, b, share)
    # Standard errors are below 0.003.
    assert joined.square().mean().item() == pytest.approx(1, abs=0.02)
    assert layers.weighted_sum(a, b[:, :10], share).square().mean().item() == pytest.approx(1, abs=0.02)


def test_a_layer_keeps_unit_variance_whatever_the_length_of_its_weights():
    layer = layers.Weight(50, 40, 3).eval()
    with torch.no_grad():
        layer.weight.mul_(torch.logspace(-1, 3, 40).view(-1, 1, 1, 1))
        # Zero padding takes something from the border: look at the inside.
        out = layer(torch.randn(20, 50, 12, 12))[:, :, 1:-1, 1:-1]
    assert out.square().mean().item() == pytest.approx(1, abs=0.05)


def test_normalise_divides_by_the_root_mean_square():
    x = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    expected = torch.tensor([[3.0, 4.0], [0.0, 0.0]]) / (math.sqrt(12.5) + 1e-4)
    torch.testing.assert_close(layers.normalise(x), expected)


def test_training_renews_the_length_of_weights_and_evaluation_leaves_it():
    layer = layers.Weight(20, 5)
    with torch.no_grad():
        layer.weight.mul_(7)
    before = layer.weight.clone()
    layer.eval()(torch.randn(2, 20))
    assert torch.equal(before, layer.weight)
    layer.train()(torch.randn(2, 20))
    torch.testing.assert_close(layer.weight.square().mean(1).sqrt(), torch.ones(5), rtol=0, atol=2e-4)


def test_two_evaluations_before_one_backward_pass_have_exact_gradients():
    model = wake(tiny()).train()
    x = torch.randn(4, 1, 8, 8)
    draw = model.draw(x, stream(0, "draw"))
    for _ in range(3):  # to the fixed point of the length, so that a further call moves weights by rounding only
        model.log_likelihood(x, None, draw)
    names, weights = zip(*model.named_parameters(), strict=True)
    both = model.log_likelihood(x, None, draw).mean() + model.log_likelihood(-x, None, draw).mean()
    together = torch.autograd.grad(both, weights, allow_unused=True)
    single = [model.log_likelihood(one, None, draw).mean() for one in (x, -x)]
    parts = [torch.autograd.grad(one, weights, allow_unused=True) for one in single]
    for name, whole, first, second in zip(names, together, *parts, strict=True):
        if whole is not None:
            bound = 1e-3 * float(whole.abs().max()) + 1e-6  # of rounding in a sum of many small terms
            torch.testing.assert_close(whole, first + second, rtol=0, atol=bound, msg=name)


def test_labels_matter_and_their_absence_is_a_row_of_zeros():
    model = wake(tiny())
    x, sigma = torch.randn(3, 1, 8, 8), torch.tensor([0.1, 0.5, 2.0])
    labelled, free = model.denoise(x, sigma, torch.tensor([0, 1, 2])), model.denoise(x, sigma, None)
    assert (labelled - free).abs().max() > 1e-4
    torch.testing.assert_close(free, model(x, sigma, torch.zeros(3, 3)))


def test_activations_are_clipped():
    model = wake(tiny(clip_act=0.1))
    seen = []
    block = model.unet.enc["8x8_block0"]
    block.register_forward_hook(lambda _module, _arguments, output: seen.append(output))
    model(torch.randn(2, 1, 8, 8), torch.tensor(1.0))
    assert seen[0].abs().max() <= 0.1


def test_the_loss_has_the_learned_variance_and_the_likelihood_has_not():
    model = wake(tiny())
    x = torch.randn(3, 1, 8, 8)
    draw = model.draw(x, stream(0, "draw"))
    u = model.log_variance(draw.sigma)
    expected = -model.log_likelihood(x, None, draw) / u.exp() + 64 * u
    torch.testing.assert_close(model.training_loss_at(x, None, draw), expected)


@pytest.mark.parametrize("spec", [DataSpec((2,)), DataSpec((3, 7, 7))])
def test_data_that_does_not_fit_is_the_users_mistake(spec):
    with pytest.raises(UserError, match="model edm2-unet"):
        build(EDM2Config(), spec)


def test_unknown_arguments_of_a_published_network_are_named():
    with pytest.raises(UserError, match="not known here: twist"):
        from_arguments({"img_resolution": 16, "img_channels": 3, "twist": 1})


@pytest.mark.parametrize("g", [0.0, 1.0, 6.94, 16.97])
def test_exponent_and_length_are_inverses(g):
    assert averages.exponent(averages.relative_std(g)) == pytest.approx(g, abs=1e-9) if g else True
    profile = np.linspace(0, 1, 200_001) ** g  # the relative length by numerical integration
    mean = np.average(np.linspace(0, 1, 200_001), weights=profile)
    spread = np.average((np.linspace(0, 1, 200_001) - mean) ** 2, weights=profile) ** 0.5
    assert averages.relative_std(g) == pytest.approx(spread, rel=1e-4)


@pytest.mark.parametrize("std", [0.0, 0.3, -1.0])
def test_impossible_lengths_are_an_error(std):
    with pytest.raises(ValueError, match="relative length above 0"):
        averages.exponent(std)


def test_an_average_weighs_the_past_by_a_power_of_time():
    layer, batch, steps = torch.nn.Linear(1, 1, bias=False), 10, 400
    tracked = averages.PowerFunctionAverage(layer, [0.1])
    g = averages.exponent(0.1)
    for step in range(1, steps + 1):
        with torch.no_grad():
            layer.weight.fill_(float(step))
        tracked.update(layer, seen=step * batch, batch=batch)
    ideal = steps * (g + 1) / (g + 2)  # the mean of s under (g + 1) s^g / t^(g + 1)
    assert float(tracked.averages[0]["weight"]) == pytest.approx(ideal, rel=0.005)


def test_a_stored_average_is_reconstructed_as_itself_and_others_are_near():
    layer, batch = torch.nn.Linear(1, 1, bias=False), 1024
    tracked, truth, stored = averages.PowerFunctionAverage(layer), averages.PowerFunctionAverage(layer, [0.07]), []
    for step in range(1, 401):
        with torch.no_grad():
            layer.weight.fill_(math.sin(step / 40))
        tracked.update(layer, seen=step * batch, batch=batch)
        truth.update(layer, seen=step * batch, batch=batch)
        if step % 50 == 0:
            stored += tracked.snapshots(step * batch)
    at = 400 * batch
    own = averages.reconstruct(stored, at, 0.05)["weight"]
    assert own.dtype == torch.float16
    torch.testing.assert_close(own, tracked.averages[0]["weight"].half(), rtol=2e-3, atol=0)
    near = float(averages.reconstruct(stored, at, 0.07)["weight"])
    assert near == pytest.approx(float(truth.averages[0]["weight"]), abs=0.02)
    with pytest.raises(ValueError, match="no snapshot at 5 images"):
        averages.reconstruct(stored, 5, 0.05)


def test_an_average_survives_a_checkpoint():
    layer = torch.nn.Linear(2, 2)
    tracked = averages.PowerFunctionAverage(layer)
    tracked.update(layer, 10, 10)
    other = averages.PowerFunctionAverage(torch.nn.Linear(2, 2), [0.2])
    other.load_state_dict(tracked.state_dict())
    assert other.stds == tracked.stds
    assert torch.equal(other.averages[1]["weight"], tracked.averages[1]["weight"])


def test_snapshot_names_go_both_ways():
    name = published_training.snapshot_name(8_388_608, 0.05)
    assert name == "network-snapshot-0008388-0.050.pkl"
    assert published_training.parse_snapshot_name(name) == (8_388_608, 0.05)
    with pytest.raises(ValueError, match="no snapshot's name"):
        published_training.parse_snapshot_name("weights.pt")


def test_the_loop_keeps_weights_at_unit_length_in_eval_mode_as_train_mode_does(tmp_path):
    """Forced weight normalisation with the harness's loop: the same weights as train mode's own."""
    from harness.interfaces import Batch
    from harness.streams import stream
    from harness.training.config import TrainingConfig
    from harness.training.loop import Listener, TrainingLoop
    from harness.training.order import BatchOrder
    from harness.training.task import TrainingTask
    from harness_controls import MLEConfig
    from harness_controls.mle import MLE
    from harness_edm2.presets import TINY

    settings = MLEConfig.model_validate({"optimizer": {"name": "sgd", "lr": 1e-3, "clip": None}})
    training, data = TrainingConfig(images=12, batch=4), Batch(torch.randn(8, 1, 8, 8, generator=stream(0, "x")))
    torch.manual_seed(0)
    model = build(TINY.config, TINY.spec).eval()
    twin = build(TINY.config, TINY.spec).train()
    twin.load_state_dict(model.state_dict())
    task = TrainingTask(model, TINY.spec, torch.device("cpu"), training, None)
    quiet = Listener(lambda *_: None, lambda *_: None)
    loop = TrainingLoop(
        task, MLE(settings, task), data, training, seed=0, folder=tmp_path, checkpoint_seconds=1e9, listener=quiet
    )
    loop.run()
    optimizer, order = torch.optim.SGD(twin.parameters(), 1e-3), BatchOrder(8, 4, 0)
    for step in range(3):
        optimizer.zero_grad()
        twin.training_loss(data.x[order.indices(step)], None, stream(0, "step", step)).mean().backward()
        optimizer.step()
    twin.constrain()
    for name, value in model.state_dict().items():
        # Train mode normalises in each of its evaluations, of which there are others before a step: EPS each time.
        torch.testing.assert_close(value, twin.state_dict()[name], rtol=1e-3, atol=1e-3)
    weights = [module.weight for module in model.modules() if isinstance(module, layers.Weight)]
    lengths = torch.cat([weight.flatten(1).square().mean(1).sqrt() for weight in weights])
    torch.testing.assert_close(lengths, torch.ones_like(lengths), rtol=0, atol=1e-3)
