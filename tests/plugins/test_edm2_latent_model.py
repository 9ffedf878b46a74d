"""EDM2 in latents: images in, images out, an autoencoder from a diffusers folder. Its scale is checked in tests/parity."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from harness.components import ModelUsage
from harness.errors import UserError
from harness.indexed_sets import InMemory
from harness.interfaces import Batch, DataSpec
from harness.plugins import registry
from harness.sampling import latents
from harness.streams import stream
from harness.testing import models
from harness.weights import cache, network_files
from harness_edm2 import EDM2Config, VAEConfig, harness_models
from harness_edm2.check import fits
from harness_edm2.presets import PRESETS, TINY, VAE

pytest.importorskip("diffusers")

from harness_edm2.latent_model import autoencoder
from harness_edm2.model import build

COMPONENT = harness_models()[0]
IMAGES = DataSpec((1, 16, 16), 0, "images")
SMALL = VAEConfig(block_out_channels=(4, 8), layers_per_block=1, norm_num_groups=4, means=(0.5, -0.25), stds=(2.0, 1.5))


def config(**vae):
    return TINY.config.model_copy(update={"vae": SMALL.model_copy(update=vae)})


def random_vae(seed=0):
    """A stand-in for the Stability VAE: the same kind of network, small and random."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return autoencoder(SMALL, 1).eval()


@pytest.fixture
def folder(tmp_path):
    """The stand-in as diffusers saves it."""
    random_vae().save_pretrained(tmp_path / "vae")
    return tmp_path / "vae"


def model(**vae):
    return models.build(COMPONENT, config(**vae), IMAGES)


def test_it_keeps_the_contract_in_latents():
    models.check_model(COMPONENT, config=config(), spec=IMAGES)
    models.check_model(COMPONENT, config=config(), spec=DataSpec((3, 16, 16), 4, "images"))


def test_the_default_autoencoder_is_the_stability_vae():
    with torch.device("meta"):
        vae = autoencoder(VAEConfig(), 3)
    assert sum(parameter.numel() for parameter in vae.parameters()) == 83_653_863
    assert VAEConfig().downscale == 8


def test_the_presets_of_imagenet_512_make_images_and_name_the_vae():
    for name, preset in PRESETS.items():
        if name.startswith("edm2-img512"):
            assert preset.spec.shape == (3, 512, 512)
            assert preset.files[-1] == VAE
            assert (VAE.part, VAE.address.split("/")[3:5]) == ("vae", ["stabilityai", "sd-vae-ft-mse"])
        else:
            assert isinstance(preset.config, EDM2Config)
            assert preset.config.vae is None


def test_the_network_is_trained_on_fresh_draws_and_the_autoencoder_is_not():
    network = model()
    x = torch.rand(6, 1, 16, 16, generator=stream(0, "images")) * 2 - 1
    data = Batch(next(latents.encoded(network, InMemory.of(Batch(x)), torch.device("cpu"))).x, None, torch.arange(6))
    assert data.x.shape == (6, 4, 8, 8)
    first, second = (latents.network_batch(network, data, stream(seed, "draw")) for seed in (0, 1))
    assert first.x.shape == (6, 2, 8, 8)
    assert first.rows is None
    assert not torch.equal(first.x, second.x)
    network.training_loss(first.x, None, stream(0, "loss")).sum().backward()
    assert all(parameter.grad is None for parameter in network.vae.parameters())
    assert any(parameter.grad is not None for parameter in network.unet.parameters())


@torch.no_grad()
def test_encoding_is_what_diffusers_gives_on_pixels_between_zero_and_one():
    network, pixels = model(), torch.rand(3, 1, 16, 16, generator=stream(0, "images"))
    kept = network.encode_images(pixels * 2 - 1)
    posterior = network.vae.encode(pixels).latent_dist
    torch.testing.assert_close(kept, torch.cat([posterior.mean, posterior.std], 1))
    drawn, noise = network.draw_latents(kept, stream(1, "draw")), torch.randn(3, 2, 8, 8, generator=stream(1, "draw"))
    raw = posterior.mean + posterior.std * noise
    scaled = (raw - torch.tensor(SMALL.means).view(1, 2, 1, 1)) / torch.tensor(SMALL.stds).view(1, 2, 1, 1) * 0.5
    torch.testing.assert_close(drawn, scaled)
    decoded = network.vae.decode(raw).sample.clamp(0, 1)
    torch.testing.assert_close(network.decode_latents(drawn), decoded * 2 - 1, rtol=0, atol=1e-5)


def test_weights_come_from_a_folder_or_its_file_apart_from_the_networks(tmp_path, folder):
    network = model()
    own = {name: value for name, value in network.state_dict().items() if not name.startswith("vae.")}
    save_file({name: value + 1 for name, value in own.items()}, tmp_path / "network.safetensors")
    theirs = random_vae(3)
    theirs.save_pretrained(folder)
    for path in (folder, folder / "diffusion_pytorch_model.safetensors"):
        other = model()
        network_files.load(
            [network_files.NetworkFile(tmp_path / "network.safetensors"), network_files.NetworkFile(path, "vae")],
            COMPONENT,
            other,
        )
        assert all(torch.equal(value, theirs.state_dict()[name]) for name, value in other.vae.state_dict().items())
        assert all(torch.equal(other.state_dict()[name], value + 1) for name, value in own.items())


def test_attention_may_have_its_old_names(folder):
    path = folder / "diffusion_pytorch_model.safetensors"
    weights, today = load_file(path), {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    old = dict(weights)
    for name in weights:
        for new, before in today.items():
            if f".{new}." in name:
                old[name.replace(f".{new}.", f".{before}.")] = old.pop(name)
    assert set(old) != set(weights)
    save_file(old, path)
    vae = autoencoder(SMALL.model_copy(update={"weights": str(folder), "sha256": cache.sha256(folder)}), 1)
    assert all(torch.equal(value, weights[name]) for name, value in vae.state_dict().items())


def test_a_vae_that_is_missing_changed_or_of_other_sizes_is_named(tmp_path, folder):
    with pytest.raises(UserError, match=r"vae\.weights .*nowhere: no diffusers folder and no file"):
        model(weights=str(tmp_path / "nowhere"), sha256="0" * 64)
    with pytest.raises(UserError, match=r"vae\.weights .*has sha256 [0-9a-f]{64}, and the settings say 0000"):
        model(weights=str(folder), sha256="0" * 64)
    with pytest.raises(UserError, match=r"not of this VAE: .*missing"):
        model(weights=str(folder), sha256=cache.sha256(folder), block_out_channels=(4, 8, 8))


def test_a_published_vae_that_is_not_here_is_named_with_address_and_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    message = str(cache.absent(VAE, "not here"))
    for part in ("sd-vae-ft-mse-diffusion_pytorch_model.safetensors", VAE.address, str(VAE.sha256), str(tmp_path / "weights")):
        assert part in message


def test_without_diffusers_the_message_names_the_command(monkeypatch):
    monkeypatch.setattr("harness.targets.find_spec", {}.get)
    with pytest.raises(UserError, match=r"edm2-unet: vae: needs diffusers.*finetune-harness\[diffusers\]"):
        build(config(), IMAGES)
    COMPONENT.create(TINY.config, DataSpec((1, 8, 8)))  # in pixels it is not needed


def test_a_base_that_is_pretrained_needs_a_trained_autoencoder(folder):
    with pytest.raises(UserError, match=r"vae\.weights is missing"):
        fits(config(), ModelUsage(IMAGES))
    fits(config(weights=str(folder), sha256=cache.sha256(folder)), ModelUsage(IMAGES))


def test_show_names_both_files():
    preset = registry().preset("edm2-img512-s", where="this test")
    assert [file.part for file in preset.files] == ["", "vae"]
