"""The MaskGIT models that valeoai has published, with their tokenizers, by name."""

from __future__ import annotations

from collections.abc import Mapping

from harness.interfaces import DataSpec
from harness.presets import Preset, PublishedNames, WeightsFile
from harness_maskgit import MaskGITConfig, VQGANConfig

FIRST = "https://huggingface.co/llvictorll/Maskgit-pytorch/resolve/main/pretrained_maskgit/"
SECOND = "https://huggingface.co/llvictorll/Halton-Maskgit/resolve/main/"
LLAMAGEN = "https://huggingface.co/FoundationVision/LlamaGen/resolve/main/"

TAMING = WeightsFile("last.ckpt", f"{FIRST}VQGAN/last.ckpt", part="tokenizer")
DS16 = WeightsFile("vq_ds16_c2i.pt", f"{LLAMAGEN}vq_ds16_c2i.pt", part="tokenizer")

LISTED = ("v1-256", "v1-512", "v2-256-base", "v2-256-large", "v2-384-large", "v2-512-large")
"""Networks of whose files the names and shapes are known."""


def _preset(name: str, side: int, parameters: int, *files: WeightsFile) -> Preset:
    config = MaskGITConfig.model_validate({"preset": name})
    spec = DataSpec((3, side, side), 1000, "images")
    tokenizer = "vqgan_v1_taming_f16_1024" if name.startswith("v1") else "vqgan_v2_llamagen_ds16"
    names = PublishedNames(f"harness_maskgit:published_names/{tokenizer}.json.gz", part="tokenizer")
    own = (PublishedNames(f"harness_maskgit:published_names/maskgit_{name.replace('-', '_')}.json.gz"),)
    lists = (names, *(own if name in LISTED else ()))
    return Preset(f"maskgit-{name}", "maskgit", config, spec, parameters, files, names=lists)


def _first(side: int, parameters: int) -> Preset:
    file = f"MaskGIT_ImageNet_{side}.pth"
    return _preset(f"v1-{side}", side, parameters, WeightsFile(file, f"{FIRST}MaskGIT/{file}"), TAMING)


def _second(name: str, side: int, parameters: int) -> Preset:
    file = f"ImageNet_{name.removeprefix('v2-').replace('-', '_')}.pth"
    return _preset(name, side, parameters, WeightsFile(file, SECOND + file), DS16)


def _tiny(generation: str, parameters: int) -> Preset:
    tokenizer = VQGANConfig(layout="taming" if generation == "v1" else "llamagen", ch_mult=(1, 1))
    config = MaskGITConfig.model_validate({"generation": generation, "tokenizer": tokenizer.model_dump()})
    return Preset(f"maskgit-tiny-{generation}", "maskgit", config, DataSpec((1, 8, 8), 10, "images"), parameters)


PRESETS: Mapping[str, Preset] = {
    preset.name: preset
    for preset in (
        _first(256, 174_160_874),
        _first(512, 176_306_666),
        _second("v2-384-large", 384, 479_984_641),
        _second("v2-384-base", 384, 142_470_401),
        _second("v2-256-base", 256, 142_224_641),
        _second("v2-256-tiny", 256, 23_031_425),
        # The published code has these sizes, but there are no published weights of them.
        _preset("v2-256-large", 256, 479_656_961),
        _preset("v2-512-large", 512, 480_443_393),
        _tiny("v1", 23_212),
        _tiny("v2", 74_273),
    )
}
