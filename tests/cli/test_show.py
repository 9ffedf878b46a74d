"""`harness show`: a component with its settings, a preset with its files, or a record."""

import json

import pytest

from harness.store.records import SourceFacts, load_floor, load_record, save_record


def test_a_component_is_shown_with_its_settings(shell):
    text = shell("show", "method", "ddo").stdout
    lines = text.splitlines()
    assert lines[0] == "name:         ddo"
    assert lines[1] == "kind:         method"
    assert "settings:" in lines
    (beta,) = [line for line in lines if line.startswith("beta ")]
    assert "> 0" in beta
    assert not [line for line in lines if line.startswith(("sampler:", "outputs:"))]  # a method has none
    assert shell("show", "ddo").stdout == text


def test_a_component_without_settings_says_so(shell):
    assert shell("show", "method", "none").stdout.splitlines()[-1] == "settings:     none"


def test_json_of_a_component_has_facts_and_settings(shell):
    content = json.loads(shell("show", "ddo", "--json").stdout)
    assert (content["name"], content["kind"]) == ("ddo", "method")
    assert "optimizer.lr" in [row["setting"] for row in content["settings"]]


def test_an_extractor_is_shown_with_its_outputs(shell):
    assert "outputs:      features 64, logits 10, spatial 64" in shell("show", "digits-cnn").stdout.splitlines()


def test_a_preset_is_shown_with_its_files_and_settings(shell):
    lines = shell("show", "ddpm-cifar10").stdout.splitlines()
    assert lines[4].startswith("note:         raw weights, whose FID over 1000 steps is about 12")
    assert [*lines[:4], lines[5]] == [
        "name:         ddpm-cifar10",
        "kind:         preset of the model ddpm-unet",
        "data:         3×32×32, no classes",
        "parameters:   35,746,307",
        "files:",
    ]
    assert lines[7].split()[:3] == ["ddpm-cifar10-32-diffusion_pytorch_model.bin", "the", "network"]
    assert "settings:" in lines
    assert "files:        none published" in shell("show", "preset", "ddpm-tiny-8").stdout


@pytest.mark.parametrize("words", [["edm-cifar10"], ["reference", "edm-cifar10"], ["references", "edm-cifar10"]])
def test_a_reference_is_shown_with_what_it_is_of_and_its_file(shell, words):
    lines = shell("show", *words).stdout.splitlines()
    assert "of:           CIFAR-10's training set" in lines
    assert "images:       50,000" in lines
    assert "extractors:   inception-nvidia" in lines
    assert "address:      https://nvlabs-fi-cdn.nvidia.com/edm/fid-refs/cifar10-32x32.npz" in lines
    assert json.loads(shell("show", *words, "--json").stdout)["images"] == 50_000
    assert "no reference is called 'edm-cifar'; did you mean 'edm-cifar10'" in shell("show", "reference", "edm-cifar").stderr


def test_json_of_a_preset_has_its_data_and_files(shell):
    content = json.loads(shell("show", "preset", "edm-cifar10-cond-vp", "--json").stdout)
    assert (content["kind"], content["model"], content["shape"], content["classes"]) == ("preset", "edm-unet", [3, 32, 32], 10)
    assert [file["file"] for file in content["files"]] == ["edm-cifar10-32x32-cond-vp.pkl"]


def test_a_record_of_a_cell_is_shown_whole(filled):
    path = filled.record("ddpm/ddo/s0")
    assert json.loads(filled("show", path, "--json").stdout) == load_record(path).model_dump(mode="json")
    lines = filled("show", path).stdout.splitlines()
    assert "method: ddo" in lines
    assert lines[lines.index("costs:") + 1].startswith("  ")
    made_by = SourceFacts(component="method ddo", distribution="finetune-harness", version="0.1.0", sha256="a" * 64)
    save_record(load_record(path).model_copy(update={"sources": [made_by]}), path)
    lines = filled("show", path).stdout.splitlines()
    line = f"  component method ddo, distribution finetune-harness, version 0.1.0, sha256 {'a' * 64}"
    assert lines[lines.index("sources:") + 1] == line


def test_a_record_of_a_floor_is_known_by_its_name(filled):
    path = filled.floor()
    assert json.loads(filled("show", path, "--json").stdout) == load_floor(path).model_dump(mode="json")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["leaderboards/small/board.yaml"], "leaderboards/small/board.yaml: not a record, which is a .json file"),
        (["nowhere.json"], "nowhere.json: no such record"),
        (["ddoo"], "did you mean 'ddo'?"),
        (["model", "ddpm-cifa10"], "see `harness list presets`"),
    ],
)
def test_what_is_not_there_is_one_message(shell, words, message):
    done = shell("show", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
