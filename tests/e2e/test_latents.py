"""A board whose networks see latents: pretrained or loaded with an autoencoder of a diffusers folder, measured on images."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from harness.interfaces import DataSpec
from harness.weights import cache

pytest.importorskip("diffusers")

from harness_edm2 import EDM2Config, VAEConfig
from harness_edm2.latent_model import autoencoder
from harness_edm2.model import build

SIZES = {"block_out_channels": [4, 8], "layers_per_block": 1, "norm_num_groups": 4, "means": [0.0, 0.0], "stds": [1.0, 1.0]}
NETWORK = {"model_channels": 8, "channel_mult": [1], "attn_resolutions": [], "logvar_channels": 8, "is_conditional": False}

BOARD = """
title: In latents
dataset: digits
bases:
  pretrained:
    model: {{name: edm2-unet, {network}, vae: {{{sizes}, weights: {folder}, sha256: {sha256}}}}}
    pretrain: {{method: mle, training: {{images: 64, batch: 32}}}}
    sampler: {{name: heun, steps: 3}}
  loaded:
    model: {{name: edm2-unet, {network}, vae: {{{sizes}}}}}
    weights: {{file: network.safetensors, parts: {{vae: {folder}}}}}
    sampler: {{name: dpm-solver++, steps: 3}}
    only: method=none
training: {{images: 64, batch: 32}}
methods:
  none:
  ddo: {{method: {{name: ddo, bank_size: 32}}}}
seeds: [0]
evaluation: {{samples: 32, draws: 1, batch: 16}}
floor: {{pairs: 1}}
metrics:
  sliced-w2:
"""


def flow(settings):
    return ", ".join(f"{name}: {str(value).lower() if isinstance(value, bool) else value}" for name, value in settings.items())


def write(command, tmp_path):
    torch.manual_seed(0)
    autoencoder(VAEConfig.model_validate(SIZES), 1).save_pretrained(tmp_path / "vae")
    folder = tmp_path / "vae"
    board = BOARD.format(network=flow(NETWORK), sizes=flow(SIZES), folder=folder, sha256=cache.sha256(folder))
    command.write_board(board)
    network = build(EDM2Config.model_validate(NETWORK), DataSpec((2, 4, 4), 0, "images"))
    save_file(network.state_dict(), command.board / "network.safetensors")
    return folder


@pytest.fixture
def command(command_here):
    """The command in this process: the board needs no workers."""
    return command_here


def test_a_board_trains_in_latents_and_measures_images(command, tmp_path):
    folder = write(command, tmp_path)
    ended = command.run()
    assert ended.returncode == 0, ended.stderr
    records = {(record["base"], record["method"]): record for record in command.records().values() if "metrics" in record}
    assert {key: record["status"] for key, record in records.items()} == {
        ("pretrained", "none"): "done", ("pretrained", "ddo"): "done", ("loaded", "none"): "done",
    }  # fmt: skip
    assert records["pretrained", "none"]["costs"]["nfe"] == 5  # Heun: 2 * 3 - 1; the autoencoder is not counted
    assert records["loaded", "none"]["costs"]["nfe"] == 3
    samples = [load_file(path)["x.0"] for path in command.runs.glob("stages/sample/*/samples.safetensors")]
    assert all(sample_set.shape == (32, 1, 8, 8) and sample_set.abs().max() <= 1 for sample_set in samples)
    (bank,) = [load_file(path)["x"] for path in command.runs.glob("stages/bank/*/bank.safetensors")]
    assert bank.shape[1:] == (2, 4, 4)
    # The dataset was encoded once, for the base and for what is fine-tuned from it; nothing is trained on the loaded base.
    (kept,) = [load_file(path)["kept"] for path in command.runs.glob("stages/latents/*/kept.safetensors")]
    assert kept.shape[1:] == (4, 4, 4)
    assert command.run().returncode == 0

    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    ended = command.run("--only", "base=loaded", "--runs-dir", str(tmp_path / "other"))
    assert ended.returncode == 2
    assert str(folder) in ended.stderr
    assert "Traceback" not in ended.stderr


def test_rounding_latents_to_grey_levels_stops_a_run_and_a_dry_run_before_any_work(command, tmp_path):
    write(command, tmp_path)
    text = (command.board / "board.yaml").read_text()
    command.write_board(text.replace("{name: ddo, bank_size: 32}", "{name: ddo, bank_size: 32, grey_levels: 256}"))
    for ended in (command.run(), command.run("--dry-run")):
        assert ended.returncode == 2
        fault = "base pretrained: the model generates latents, which have no grey levels, which ddo needs for grey_levels: 256"
        assert ended.stderr.count(fault) == 1
        assert "Traceback" not in ended.stderr
    assert not list(command.runs.glob("stages/*/*"))
