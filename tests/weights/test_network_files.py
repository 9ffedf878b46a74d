"""Weights go into a network whole or not at all, from each family's own file layouts."""

import json
import warnings
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from harness.components import Model
from harness.errors import UserError
from harness.paths import BoardPath
from harness.plugins import registry
from harness.store.keys import file_sha256
from harness.weights import convert, network_files
from harness.weights.network_files import NetworkFile
from harness.weights.stored import read

GOLDEN = Path(__file__).parents[1] / "golden"
TINY = [name for name in registry().presets if "tiny" in name]


def component(name):
    preset = registry().presets[name]
    return preset, registry().get(Model, preset.model, where="this test")


def network(name, seed=0, **meta):
    preset, model = component(name)
    torch.manual_seed(seed)
    return model.create(preset.config, preset.spec)


def is_equal(first, second):
    first, second = first.state_dict(), second.state_dict()
    return set(first) == set(second) and all(torch.equal(value, second[name]) for name, value in first.items())


@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize("wrap", ["plain", "checkpoint", "parallel"])
def test_a_tiny_network_of_every_family_comes_back_from_its_file(tmp_path, name, wrap):
    _, model = component(name)
    trained, fresh = network(name, 1), network(name, 2)
    state = trained.state_dict()
    if wrap == "parallel":
        state = {f"module.{key}": value for key, value in state.items()}
    checkpoint = {"step": 3, "model": {"state_dict": state}, "optimizer": {"lr": 1.0}}
    torch.save(state if wrap != "checkpoint" else checkpoint, tmp_path / "w.pt")
    network_files.load([NetworkFile(tmp_path / "w.pt")], model, fresh)
    assert is_equal(trained, fresh)


def test_averaged_weights_go_before_the_others(tmp_path):
    _, model = component("ddpm-tiny-8")
    plain, averaged, fresh = (network("ddpm-tiny-8", seed) for seed in (1, 2, 3))
    torch.save({"model": plain.state_dict(), "ema": averaged.state_dict()}, tmp_path / "w.pt")
    network_files.load([NetworkFile(tmp_path / "w.pt")], model, fresh)
    assert is_equal(averaged, fresh)


@pytest.mark.parametrize("name", ["var-tiny", "maskgit-tiny-v1", "maskgit-tiny-v2"])
def test_transformer_and_tokenizer_may_stand_in_files_of_their_own(tmp_path, name):
    _, model = component(name)
    trained, fresh = network(name, 1), network(name, 2)
    state = trained.state_dict()
    own = {key: value for key, value in state.items() if not key.startswith("tokenizer.")}
    if name == "var-tiny":
        own |= {"lvl_1L": torch.zeros(1), "attn_bias_for_masking": torch.zeros(1)}
    if name == "maskgit-tiny-v2":
        own["head.weight"] = own["tok_emb.weight"]
    tokenizer = {key.removeprefix("tokenizer."): value for key, value in state.items() if key not in own}
    if name != "var-tiny":
        tokenizer["loss.discriminator.main.0.weight"] = torch.zeros(1)
    torch.save(own, tmp_path / "main.pth")
    torch.save({"state_dict": tokenizer}, tmp_path / "tokenizer.ckpt")
    files = [NetworkFile(tmp_path / "main.pth"), NetworkFile(tmp_path / "tokenizer.ckpt", "tokenizer")]
    network_files.load(files, model, fresh)
    assert is_equal(trained, fresh)
    with pytest.raises(UserError, match=r"missing: tokenizer\."):
        network_files.load(files[:1], model, fresh)


def test_a_tokenizer_that_the_settings_name_need_not_stand_in_the_file(tmp_path):
    preset, model = component("maskgit-tiny-v2")
    trained = network("maskgit-tiny-v2", 1)
    save_file(trained.tokenizer.state_dict(), tmp_path / "t.safetensors")
    file = {"weights": BoardPath(str(tmp_path / "t.safetensors")), "sha256": file_sha256(tmp_path / "t.safetensors")}
    tokenizer = preset.config.tokenizer.model_copy(update=file)
    built = model.create(preset.config.model_copy(update={"tokenizer": tokenizer}), preset.spec)
    state = {key: value for key, value in trained.state_dict().items() if not key.startswith("tokenizer.")}
    torch.save(state, tmp_path / "main.pth")
    network_files.load([NetworkFile(tmp_path / "main.pth")], model, built)
    assert is_equal(trained, built)
    with torch.device("meta"), pytest.warns(UserWarning, match="meta"):
        checked = model.create(preset.config.model_copy(update={"tokenizer": tokenizer}), preset.spec)
    network_files.find([NetworkFile(tmp_path / "main.pth")], model, checked)  # as a run does, before any work
    described = convert.Network(model, preset.config.model_copy(update={"tokenizer": tokenizer}), preset.spec)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        convert.convert([NetworkFile(tmp_path / "main.pth")], tmp_path / "whole.safetensors", described)
    written = load_file(tmp_path / "whole.safetensors")
    assert all(torch.equal(value, written[name]) for name, value in trained.state_dict().items())


def test_a_tensor_of_the_file_without_values_is_refused_whatever_the_network_is_on(tmp_path):
    preset, model = component("ddpm-tiny-8")
    state = {name: value.to("meta") for name, value in network("ddpm-tiny-8").state_dict().items()}
    torch.save(state, tmp_path / "w.pt")
    with torch.device("meta"):
        checked = model.create(preset.config, preset.spec)
    for built in (checked, network("ddpm-tiny-8")):
        with pytest.raises(UserError, match=r"w\.pt: .* is on the meta device, and has no values; save the weights after"):
            network_files.find([NetworkFile(tmp_path / "w.pt")], model, built)


def test_weights_that_are_not_finite_are_a_fault_of_the_file(tmp_path):
    _, model = component("ddpm-tiny-8")
    state = network("ddpm-tiny-8").state_dict()
    state["conv_in.bias"][1] = float("nan")
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(UserError, match=r"w\.pt: conv_in\.bias has 1 values that are NaN or infinite"):
        network_files.find([NetworkFile(tmp_path / "w.pt")], model, network("ddpm-tiny-8"))


def test_a_checkpoint_of_vars_training_code_holds_both_networks(tmp_path):
    _, model = component("var-tiny")
    trained, fresh = network("var-tiny", 1), network("var-tiny", 2)
    state = trained.state_dict()
    own = {key: value for key, value in state.items() if not key.startswith("tokenizer.")}
    tokenizer = {key.removeprefix("tokenizer."): value for key, value in state.items() if key not in own}
    torch.save({"epoch": 1, "trainer": {"var_wo_ddp": own, "vae_local": tokenizer}}, tmp_path / "ckpt.pth")
    network_files.load([NetworkFile(tmp_path / "ckpt.pth"), NetworkFile(tmp_path / "ckpt.pth", "tokenizer")], model, fresh)
    assert is_equal(trained, fresh)


@pytest.mark.parametrize(
    ("file", "name"),
    [("edm/pkl_edm_ddpmpp_cond_aug.pkl", "edm-unet"), ("edm/pkl_edm_ncsnpp_cond_oldlayout.pkl", "edm-unet"),
     ("edm2/pkl_edm2_cond.pkl", "edm2-unet"), ("edm2/pkl_edm2_cond_3level_oldlayout.pkl", "edm2-unet")],
)  # fmt: skip
def test_a_network_pickle_says_its_settings_and_fills_the_network(file, name):
    model = registry().get(Model, name, where="this test")
    stored = read(GOLDEN / file)
    described = network_files.layout(model).describe(stored)
    assert described is not None
    built = model.create(*described)
    network_files.load([NetworkFile(GOLDEN / file)], model, built)
    key = next(iter(stored.content))
    weight = built.state_dict()[key]
    torch.testing.assert_close(weight, stored.content[key], rtol=0, atol=0, check_dtype=False)
    other = registry().get(Model, "edm2-unet" if name == "edm-unet" else "edm-unet", where="this test")
    assert network_files.layout(other).describe(stored) is None


def diffusers_folder(folder, settings):
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"_class_name": "UNet2DModel", **settings}))
    weights = load_file(GOLDEN / "ddpm" / "diffusers_unet_tiny.safetensors")
    save_file(weights, folder / "diffusion_pytorch_model.safetensors")
    return folder


def test_a_diffusers_folder_says_its_settings_and_fills_the_network(tmp_path):
    case = json.loads((GOLDEN / "ddpm" / "manifest.json").read_text())["cases"]["diffusers_unet_tiny"]
    model = registry().get(Model, "ddpm-unet", where="this test")
    folder = diffusers_folder(tmp_path / "unet", case["config"])
    rules = network_files.layout(model)
    described = rules.describe(read(folder))
    assert described is not None
    built = model.create(*described)
    network_files.load([NetworkFile(folder)], model, built)
    found = rules.tensors(read(folder), built, "")
    assert torch.equal(built.state_dict()["temb.dense.0.weight"], found["temb.dense.0.weight"])
    other = diffusers_folder(tmp_path / "other", {**case["config"], "down_block_types": ["SkipDownBlock2D"] * 3})
    assert rules.describe(read(other)) is None


def test_differences_are_listed_by_name_with_shapes_and_nothing_is_loaded(tmp_path):
    _, model = component("ddpm-tiny-8")
    fresh, path = network("ddpm-tiny-8", 2), tmp_path / "w.safetensors"
    before = {name: value.clone() for name, value in fresh.state_dict().items()}
    state = network("ddpm-tiny-8", 1).state_dict()
    del state["conv_in.bias"]
    state |= {"extra.weight": torch.zeros(2, 3), "conv_out.bias": torch.zeros(7)}
    save_file(state, path)
    with pytest.raises(UserError) as error:
        network_files.load([NetworkFile(path)], model, fresh)
    text = str(error.value)
    for message in (
        "w.safetensors", "1 missing: conv_in.bias (8)", "1 unexpected: extra.weight (2, 3)",
        "1 another shape: conv_out.bias is (7) in the file and (1) in the network",
    ):  # fmt: skip
        assert message in text
    assert all(torch.equal(value, before[name]) for name, value in fresh.state_dict().items())


def test_the_files_of_another_preset_are_refused_with_the_first_names_only(tmp_path):
    _, model = component("edm-tiny-8")
    save_file(network("edm-tiny-adm").state_dict(), tmp_path / "w.safetensors")
    with pytest.raises(UserError, match=r"missing: model\..*, …; .*another preset's file") as error:
        network_files.load([NetworkFile(tmp_path / "w.safetensors")], model, network("edm-tiny-8"))
    assert len(str(error.value)) < 1500


def test_a_header_of_another_model_is_refused(tmp_path):
    _, model = component("ddpm-tiny-8")
    save_file(network("ddpm-tiny-8").state_dict(), tmp_path / "w.safetensors", {"harness": '{"model": "edm-unet"}'})
    with pytest.raises(UserError, match="of the model 'edm-unet', not 'ddpm-unet'"):
        network_files.load([NetworkFile(tmp_path / "w.safetensors")], model, network("ddpm-tiny-8"))


def test_a_file_without_tensors_says_what_it_has(tmp_path):
    _, model = component("ddpm-tiny-8")
    torch.save({"epoch": 3, "args": {"lr": 1.0}}, tmp_path / "w.pt")
    with pytest.raises(UserError, match=r"no tensors by name.*it has args, epoch"):
        network_files.load([NetworkFile(tmp_path / "w.pt")], model, network("ddpm-tiny-8"))
