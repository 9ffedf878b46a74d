"""Networks and solvers of diffusers: presets, files, contract, orders. Agreement with the reference is in tests/parity."""

import copy
import gzip
import json
import math
from pathlib import Path

import pydantic
import pytest
import torch
from published_layout import check_layout
from safetensors.torch import load_file, save_file

from harness.errors import UserError
from harness.interfaces import DataSpec
from harness.plugins import registry
from harness.streams import SampleStreams, stream
from harness.testing import models
from harness.weights import convert, network_files
from harness.weights.stored import read
from harness_diffusers import ChainSolverConfig, DenoisingSolverConfig, UNet2DConfig, harness_models, harness_samplers
from harness_diffusers.presets import PRESETS, TINY
from harness_diffusers.published import from_config

pytest.importorskip("diffusers")

from harness_diffusers.model import build
from harness_diffusers.solver import ChainSolver, DenoisingSolver

COMPONENT = harness_models()[0]
IMAGES = DataSpec((1, 8, 8), preview="images")
GOLDEN = Path(__file__).parents[1] / "golden" / "ddpm"


def golden_case():
    return json.loads((GOLDEN / "manifest.json").read_text())["cases"]["diffusers_unet_tiny"]


def as_folder(folder, weights, **settings):
    """A folder as diffusers writes it."""
    folder.mkdir()
    config = {"_class_name": "UNet2DModel", **golden_case()["config"], **settings}
    (folder / "config.json").write_text(json.dumps(config))
    save_file(weights, folder / "diffusion_pytorch_model.safetensors")
    return folder


def with_old_names(weights):
    new = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    renamed = {}
    for name, value in weights.items():
        for today, old in new.items():
            name = name.replace(f".{today}.", f".{old}.")
        renamed[name] = value
    return renamed


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_has_the_published_names_and_shapes(name):
    check_layout(PRESETS[name], build, f"ddpm/diffusers-{name}.keys.json.gz")


def test_a_preset_says_what_is_published():
    preset = registry().preset("ddpm-cifar10-32", where="this test")
    (file,) = preset.files
    assert (preset.parameters, preset.spec.shape) == (35_746_307, (3, 32, 32))
    assert file.address.startswith("https://huggingface.co/google/ddpm-cifar10-32/")
    stored = json.loads(gzip.decompress((GOLDEN / "diffusers-ddpm-cifar10-32.keys.json.gz").read_bytes()))
    config, spec = from_config(stored["config"])
    assert (config, spec) == (preset.config, preset.spec)


def test_it_keeps_the_contract():
    models.check_model(COMPONENT, config=TINY.config, spec=IMAGES)


def test_a_copy_computes_the_same():
    model = models.build(COMPONENT, TINY.config, IMAGES)
    x = torch.randn(3, 1, 8, 8)
    assert torch.equal(copy.deepcopy(model)(x, 3.5), model(x, 3.5))


def test_time_is_real_valued():
    model = models.build(COMPONENT, TINY.config, IMAGES)
    x = torch.randn(2, 1, 8, 8)
    assert not torch.equal(model.predict_noise(x, 3.5, None), model.predict_noise(x, 3.0, None))
    whole = torch.full((2,), 3)
    torch.testing.assert_close(model.predict_noise(x, whole, None), model.predict_noise(x, 3.0, None))


@pytest.mark.parametrize("old", [False, True], ids=["names of today", "names before 0.15"])
def test_a_diffusers_folder_says_its_settings_and_fills_the_network(tmp_path, old):
    weights = load_file(GOLDEN / "diffusers_unet_tiny.safetensors")
    folder = as_folder(tmp_path / "unet", with_old_names(weights) if old else weights)
    stored = read(folder)
    described = network_files.layout(COMPONENT).describe(stored)
    assert described is not None
    config, spec = described
    assert spec == DataSpec((3, 16, 16), 0, "images")
    model = build(config, spec)
    network_files.load([network_files.NetworkFile(folder)], COMPONENT, model)
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())


def test_a_folder_of_another_architecture_than_ddpm_unets_goes_to_the_network_that_runs_it(tmp_path):
    plain = build(UNet2DConfig(), IMAGES)
    folder = tmp_path / "theirs"
    plain.save_pretrained(folder)
    described = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**described, "_class_name": "UNet2DModel"}))
    assert convert.described_network(read(folder)).model.name == "diffusers-unet"  # its time features are not Ho et al.'s
    convert.convert([network_files.NetworkFile(folder)], tmp_path / "out.safetensors", None)
    assert convert.described_network(read(tmp_path / "out.safetensors")).config == UNet2DConfig()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_class_embeds": 10}, "num_class_embeds is 10"),
        ({"time_embedding_type": "fourier"}, "time_embedding_type is 'fourier'"),
        ({"out_channels": 6}, "makes no square images"),
        ({"down_block_types": ["CrossAttnDownBlock2D"] * 3}, "down_block_types"),
    ],
)
def test_networks_that_are_no_chains_are_refused_by_name(settings, message):
    with pytest.raises(UserError, match=message):
        from_config({**golden_case()["config"], **settings})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"block_out_channels": (8,)}, "of one length"),
        ({"block_out_channels": (8, 18)}, "18 is not a multiple"),
        ({"schedule": "cosine"}, "needs the linear schedule"),
    ],
)
def test_settings_that_contradict_each_other_are_faults(settings, message):
    with pytest.raises(pydantic.ValidationError, match=message):
        UNet2DConfig(**settings)


@pytest.mark.parametrize("spec", [DataSpec((2,)), DataSpec((3, 7, 7))])
def test_data_that_does_not_fit_is_the_users_mistake(spec):
    with pytest.raises(UserError, match="model diffusers-unet"):
        build(UNet2DConfig(), spec)


def test_without_diffusers_the_message_names_the_command(monkeypatch):
    monkeypatch.setattr("harness.targets.find_spec", {}.get)
    command = r"needs diffusers, which is not installed; pip install finetune-harness\[diffusers\]"
    for component in (*harness_models(), *harness_samplers()):
        with pytest.raises(UserError, match=f"{component.kind} .*{command}"):
            component.check_packages()
    with pytest.raises(UserError, match=command):
        build(UNet2DConfig(), IMAGES)
    with pytest.raises(UserError, match=command):
        DenoisingSolver(DenoisingSolverConfig())


def test_dropout_repeats_with_its_draw():
    model = models.build(COMPONENT, UNet2DConfig(dropout=0.5), IMAGES).train()
    x = torch.randn(4, 1, 8, 8)
    draw = model.draw(x, stream(0, "draw"))
    first = model.log_likelihood(x, None, draw)
    torch.manual_seed(7)
    assert torch.equal(first, model.log_likelihood(x, None, draw))
    assert not torch.equal(first, model.eval().log_likelihood(x, None, draw))


# DPM-Solver++. Its orders are measured in tests/laws/test_mixture.py.


class Counting:
    """Gaussian data of spread 0.5: the best denoiser, and how often it was called at which levels."""

    sigma_range = (0.02, 10.0)

    def __init__(self):
        self.levels = []

    def denoise(self, x, sigma, labels):
        self.levels.append(float(sigma))
        return x * 0.25 / (0.25 + sigma**2)


@pytest.mark.parametrize("last", ["data", "smallest"])
@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("levels", ["karras", "exponential"])
def test_the_solver_calls_the_network_once_at_each_level(order, last, levels):
    model, config = Counting(), DenoisingSolverConfig(steps=20, order=order, last=last, levels=levels)
    x = DenoisingSolver(config)(model, DataSpec((2,)), SampleStreams(0, "test", range(5)), None)
    assert len(model.levels) == 20
    assert model.levels == sorted(set(model.levels), reverse=True)
    assert model.levels[0] == pytest.approx(10, rel=1e-5)
    assert (model.levels[-1] == pytest.approx(0.02, rel=1e-4)) == (last == "data")
    exact = SampleStreams(0, "test", range(5)).normal(2) * 10 * 0.5 / math.sqrt(0.25 + 100)
    assert x.isfinite().all()
    torch.testing.assert_close(x, exact, rtol=0.15, atol=0)


@pytest.mark.parametrize("spacing", ["linspace", "leading", "trailing"])
@pytest.mark.parametrize("last", ["data", "smallest"])
@pytest.mark.parametrize(("steps", "total"), [(20, 1000), (20, 10), (10, 10), (1, 10), (3, 2)])
def test_a_chain_is_walked_downwards_and_each_step_once(steps, total, spacing, last):
    config = ChainSolverConfig(steps=steps, spacing=spacing, last=last, order=3)
    scheduler = ChainSolver(config).scheduler(torch.linspace(1e-4, 0.02, total, dtype=torch.float64))
    times = scheduler.timesteps.tolist()
    assert times == sorted(set(times), reverse=True)
    assert 1 <= len(times) <= min(steps, total)
    assert len(scheduler.sigmas) == len(times) + 1
    assert (scheduler.sigmas.diff() < 0).all()


def test_a_chain_of_one_step_is_refused():
    with pytest.raises(UserError, match="a chain of one step"):
        ChainSolver(ChainSolverConfig()).scheduler(torch.tensor([0.5], dtype=torch.float64))


@torch.no_grad()
def test_the_first_order_is_ddim():
    model = models.build(COMPONENT, TINY.config, IMAGES)
    solver = ChainSolver(ChainSolverConfig(steps=10, order=1, spacing="trailing"))
    x = solver(model, IMAGES, SampleStreams(0, "test", range(3)), None)
    times = solver.scheduler(model.chain_betas).timesteps.tolist()
    state, kept = SampleStreams(0, "test", range(3)).normal(1, 8, 8), torch.cumprod(1 - model.chain_betas, 0)
    for time, following in zip(times, [*times[1:], None], strict=True):
        a, b = kept[time], torch.tensor(1.0) if following is None else kept[following]
        eps = model.predict_noise(state, float(time), None)
        state = (b / a).sqrt() * state + ((1 - b).sqrt() - (1 - a).sqrt() * (b / a).sqrt()) * eps
    torch.testing.assert_close(x, state.float(), rtol=0, atol=1e-3 * float(state.abs().max()))
