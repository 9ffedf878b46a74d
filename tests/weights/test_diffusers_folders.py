"""Folders of diffusers: whole pipelines, shards, variants of precision and raw weights beside averaged ones."""

import json

import pytest
import torch
from safetensors.torch import save_file

from harness.components import Model
from harness.errors import UserError
from harness.weights import cache, network_files
from harness.weights.network_files import NetworkFile
from harness.weights.stored import read

MODEL = Model("linear", build="a:b", summary="", provides=frozenset(), sampler="euler")
STEM = "diffusion_pytorch_model"


def weights(value, dtype=torch.float32):
    return {name: torch.full_like(tensor, value, dtype=dtype) for name, tensor in torch.nn.Linear(2, 2).state_dict().items()}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"_class_name": "UNet2DModel"}))
    return tmp_path


def find(path, table=""):
    """The number that fills the weights, and the remark on what was read."""
    found = network_files.find([NetworkFile(path, table=table)], MODEL, torch.nn.Linear(2, 2))
    return float(found.tensors["bias"][0]), found.tables[0].remark.removeprefix(f"{path}: ")


def test_a_variant_of_half_precision_is_read_where_there_is_no_other_and_said(folder):
    save_file(weights(1, torch.float16), folder / f"{STEM}.fp16.safetensors")
    assert find(folder) == (1, "float16 was read as float32")


def test_whole_precision_goes_before_half(folder):
    save_file(weights(1, torch.float16), folder / f"{STEM}.fp16.safetensors")
    save_file(weights(2), folder / f"{STEM}.safetensors")
    assert find(folder) == (2, "")


def test_safetensors_go_before_the_old_format(folder):
    torch.save(weights(1), folder / f"{STEM}.bin")
    save_file(weights(2), folder / f"{STEM}.safetensors")
    assert find(folder) == (2, "")


def test_averaged_weights_go_before_raw_ones_and_the_raw_ones_can_be_chosen(folder):
    save_file(weights(1), folder / f"{STEM}.non_ema.safetensors")
    assert find(folder) == (1, "")
    save_file(weights(2), folder / f"{STEM}.safetensors")
    assert find(folder) == (2, "the averaged weights 'ema' were read, not 'non_ema'")
    assert find(folder, "non_ema") == (1, "the table 'non_ema' was read")


def test_variants_of_which_none_goes_before_the_others_are_refused_and_can_be_chosen(folder):
    save_file(weights(1, torch.float16), folder / f"{STEM}.fp16.safetensors")
    save_file(weights(2, torch.bfloat16), folder / f"{STEM}.bf16.safetensors")
    with pytest.raises(UserError, match="2 of its tables fit the network: 'bf16', 'fp16'"):
        find(folder)
    assert find(folder, "bf16")[0] == 2


@pytest.mark.parametrize(
    "name",
    ["{stem}-0000{n}-of-00002.safetensors", "{stem}.fp16-0000{n}-of-00002.safetensors", "{stem}-0000{n}-of-00002.fp16.bin"],
)
def test_shards_are_read_together(folder, name):
    save = torch.save if name.endswith("bin") else save_file
    for n, (tensor, value) in enumerate(weights(3).items(), 1):
        save({tensor: value}, folder / name.format(stem=STEM, n=n))
    (folder / f"{STEM}.safetensors.index.json").write_text("{}")
    assert find(folder) == (3, "")
    (folder / name.format(stem=STEM, n=1)).unlink()
    with pytest.raises(UserError, match=r"of the 2 shards of its weights, 1 are here; missing: \[1\]"):
        find(folder)


def test_a_tensor_in_two_shards_is_refused(folder):
    for n in (1, 2):
        save_file(weights(n), folder / f"{STEM}-0000{n}-of-00002.safetensors")
    with pytest.raises(UserError, match="two shards hold bias"):
        find(folder)


def test_of_a_whole_pipeline_the_network_is_read_and_hashed(folder, tmp_path):
    save_file(weights(4), folder / f"{STEM}.safetensors")
    pipeline = tmp_path / "pipeline"
    (pipeline / "unet").mkdir(parents=True)
    (pipeline / "model_index.json").write_text("{}")
    with pytest.raises(UserError, match="a pipeline of diffusers without a folder unet"):
        read(pipeline)
    for name in ("config.json", f"{STEM}.safetensors"):
        (pipeline / "unet" / name).write_bytes((folder / name).read_bytes())
    assert find(pipeline)[0] == 4
    assert read(pipeline).config == {"_class_name": "UNet2DModel"}
    assert cache.sha256(pipeline) == cache.sha256(pipeline / "unet")
    save_file({**weights(5), "more": torch.zeros(1)}, pipeline / "unet" / f"{STEM}.safetensors")
    assert cache.sha256(pipeline) != cache.sha256(folder)


def test_a_checkpoint_with_several_networks_lists_them(tmp_path):
    for name in ("unet", "unet_ema"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
    with pytest.raises(UserError, match="no diffusers folder, but it holds some: unet, unet_ema; give the path of one of them"):
        read(tmp_path)


def test_other_folders_say_what_is_needed(folder):
    with pytest.raises(UserError, match=r"no diffusers folder: needs config\.json and diffusion_pytorch_model\.safetensors or"):
        read(folder)
