"""Presets: what they say of networks is true of the networks that their models build."""

import gzip
import json
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import torch

from harness.components import Model
from harness.errors import UserError
from harness.plugins import Registry, registry

GOLDEN = Path(__file__).parent / "golden"
PRESETS = registry().presets
DIFFUSION = {"ddpm-unet", "diffusers-unet", "edm-unet", "edm2-unet"}
FAMILIES = {*DIFFUSION, "var", "maskgit"}


def build(preset):
    model = registry().get(Model, preset.model, where="this test")
    with torch.device("meta"):
        return model.load()(preset.config, preset.spec)


def test_every_family_has_a_tiny_preset_for_smoke_runs():
    tiny = [preset for preset in PRESETS.values() if preset.parameters < 100_000]
    assert {preset.model for preset in tiny} >= FAMILIES
    assert all(sum(one.numel() for one in build(preset).parameters()) < 100_000 for preset in tiny)


PUBLISHED = {
    **{f"var-{size}": [("var", f"var_{size}", "")] for size in ("d16", "d20", "d24", "d30", "d36-s")},
    "maskgit-v1-256": [("maskgit", "maskgit_v1_256", ""), ("maskgit", "vqgan_v1_taming_f16_1024", "tokenizer.")],
    "maskgit-v1-512": [("maskgit", "maskgit_v1_512", ""), ("maskgit", "vqgan_v1_taming_f16_1024", "tokenizer.")],
    **{
        f"maskgit-v2-{size}": [
            ("maskgit", f"maskgit_v2_{size.replace('-', '_')}", ""), ("maskgit", "vqgan_v2_llamagen_ds16", "tokenizer."),
        ]
        for size in ("256-base", "256-large", "384-large", "512-large")
    },
}  # fmt: skip
for _name, _parts in PUBLISHED.items():
    if _name.startswith("var"):
        # The scales of 512 pixels give the tokenizer another buffer's rows; the published file is the same.
        _parts.append(("var", "vae_ch160v4096z32" + ("_512" if _name == "var-d36-s" else ""), "tokenizer."))
DERIVED = {"lvl_1L", "attn_bias_for_masking", "head.weight"}
"""In files, and in no state dict: tables that follow from the settings, and the second name of a tied weight."""


def shapes(folder, file):
    stored = json.loads(gzip.decompress((GOLDEN / folder / f"{file}.keys.json.gz").read_bytes()))
    return {name: tuple(shape) for name, (shape, _) in stored["params"].items()}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_preset_of_transformer_and_tokenizer_has_the_published_names_and_shapes(name):
    expected = {}
    for folder, file, prefix in PUBLISHED[name]:
        found = shapes(folder, file)
        dropped = set() if prefix else DERIVED - ({"head.weight"} if name.startswith("var") else set())
        expected |= {prefix + key: shape for key, shape in found.items() if key not in dropped}
    assert {key: tuple(value.shape) for key, value in build(PRESETS[name]).state_dict().items()} == expected


def test_every_published_preset_is_compared_with_a_key_list():
    # Those of ddpm, edm and edm2 in their plugins' own tests; ddpm-cifar10 is sftpg-cifar10 from another file, and the other
    # sizes of MaskGIT's second generation differ from those here in nothing but numbers.
    compared = {*PUBLISHED, "ddpm-cifar10", "maskgit-v2-384-base", "maskgit-v2-256-tiny"}
    bases = {name: preset for name, preset in PRESETS.items() if not preset.fine_tuned_by}
    others = {name for name in bases if name not in compared and "tiny" not in name}
    assert {PRESETS[name].model for name in others} == {"ddpm-unet", "diffusers-unet", "edm-unet", "edm2-unet"}


# Nobody's file of these is known to have an address: third parties' conversions, and a size that was published without.
WITHOUT_A_FILE = {"sftpg-celeba64", "edm2-img64-xs"}


FINE_TUNED = [preset for preset in PRESETS.values() if preset.fine_tuned_by]


def test_weights_that_methods_authors_published_are_those_of_ddo_cca_and_neon():
    assert {preset.fine_tuned_by for preset in FINE_TUNED} == {"DDO", "CCA", "Neon"}
    assert len(FINE_TUNED) == 13


@pytest.mark.parametrize("preset", FINE_TUNED, ids=lambda preset: preset.name)
def test_fine_tuned_weights_are_of_the_network_of_their_base_in_a_file_of_their_own(preset):
    base = PRESETS[preset.name.removesuffix(f"-{preset.fine_tuned_by.lower()}")]
    assert (preset.model, preset.config, preset.spec, preset.parameters) == (base.model, base.config, base.spec, base.parameters)
    own, theirs = preset.files[0], base.files[0]
    assert own.address != theirs.address
    assert preset.files[1:] == base.files[1:]
    assert "licence" in preset.note


def test_the_preset_of_raw_weights_says_so():
    assert PRESETS["ddpm-cifar10"].note.startswith("raw weights, whose FID")
    assert PRESETS["ddpm-cifar10-32"].note.startswith("raw weights, whose FID")
    assert not PRESETS["sftpg-cifar10"].note


@pytest.mark.parametrize("name", [name for name, one in PRESETS.items() if one.model in DIFFUSION])
def test_a_preset_of_a_diffusion_family_names_its_files_with_address_and_hash(name):
    files = PRESETS[name].files
    assert bool(files) == (name not in WITHOUT_A_FILE and "tiny" not in name)
    for file in files:
        assert file.address.startswith("https://")
        assert file.sha256 is None or len(file.sha256) == 64


def test_a_name_that_no_preset_has_gives_the_nearest():
    with pytest.raises(UserError, match="did you mean 'edm2-img64-s'"):
        registry().preset("edm2-img46-s", where="here")


def test_two_plugins_cannot_give_presets_of_one_name(tmp_path, monkeypatch):
    (tmp_path / "copycat.py").write_text(
        "from harness import hookimpl\n@hookimpl\ndef harness_presets():\n"
        "    from harness_edm.presets import PRESETS\n    return list(PRESETS.values())\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    found = Registry([EntryPoint("edm", "harness_edm", "harness"), EntryPoint("other", "copycat", "harness")])
    assert [(one.plugin, "already provided" in one.reason) for one in found.broken] == [("other", True)]
