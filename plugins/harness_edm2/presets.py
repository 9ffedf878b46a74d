"""The networks that EDM2's authors publish, by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from harness.interfaces import DataSpec
from harness.presets import Preset, PublishedNames, WeightsFile
from harness_edm2 import EDM2Config, VAEConfig

ADDRESS = "https://nvlabs-fi-cdn.nvidia.com/edm2/posthoc-reconstructions/"

IMAGES, PIXELS = DataSpec((3, 512, 512), 1000, "images"), DataSpec((3, 64, 64), 1000, "images")
VAE = WeightsFile(
    "sd-vae-ft-mse-diffusion_pytorch_model.safetensors",
    "https://huggingface.co/stabilityai/sd-vae-ft-mse/resolve/main/diffusion_pytorch_model.safetensors",
    "a1d993488569e928462932c8c38a0760b874d166399b14414135bd9c42df5815",
    part="vae",
)
"""The Stability VAE, between the images of ImageNet-512 and the latents that the networks see."""

CHANNELS = {"xs": 128, "s": 192, "m": 256, "l": 320, "xl": 384, "xxl": 448}
WITHOUT_DROPOUT = ("xs", "s")

# Of each size the reconstruction with the best FID (thousands of images, relative length of the average), and the number of
# parameters. No reconstruction of img64-xs is published.
IMG512 = {
    "xs": ("2147483-0.135", 124_713_253), "s": ("2147483-0.130", 280_212_837), "m": ("2147483-0.100", 497_807_781),
    "l": ("1879048-0.085", 777_498_085), "xl": ("1342177-0.085", 1_119_283_749),
    "xxl": ("0939524-0.070", 1_523_164_773),
}  # fmt: skip
IMG64 = {
    "xs": ("", 124_710_949), "s": ("1073741-0.075", 280_209_381), "m": ("2147483-0.060", 497_803_173),
    "l": ("1073741-0.040", 777_492_325), "xl": ("0671088-0.040", 1_119_276_837),
}  # fmt: skip


def _preset(name: str, size: str, spec: DataSpec, snapshot: str, parameters: int, data: Mapping[str, object]) -> Preset:
    config = EDM2Config.model_validate({
        "model_channels": CHANNELS[size], "channel_mult": (1, 2, 3, 4), "num_blocks": 3,
        "attn_resolutions": (16, 8), "dropout": 0.0 if size in WITHOUT_DROPOUT else 0.10, **data,
    })  # fmt: skip
    file = f"{name}-{snapshot}.pkl"
    files = (WeightsFile(file, ADDRESS + file),) if snapshot else ()
    names = PublishedNames(f"harness_edm2:published_names/{name}.json.gz")
    return Preset(name, "edm2-unet", config, spec, parameters, files if config.vae is None else (*files, VAE), names=(names,))


def _all() -> list[Preset]:
    latents = {"p_mean": -0.4, "p_std": 1.0, "vae": VAEConfig()}
    pixels = {"p_mean": -0.8, "p_std": 1.6}
    unlabelled = DataSpec(IMAGES.shape, 0, "images")
    return [
        *(_preset(f"edm2-img512-{size}", size, IMAGES, *rest, latents) for size, rest in IMG512.items()),
        _preset("edm2-img512-xs-uncond", "xs", unlabelled, "2147483-0.045", 124_201_253, latents),
        *(_preset(f"edm2-img64-{size}", size, PIXELS, *rest, pixels) for size, rest in IMG64.items()),
    ]


GUIDING: Mapping[str, Mapping[str, Sequence[str]]] = {
    "img64": {"xs-0134217": ("0.110", "0.175"), "s-1073741": ("0.045", "0.105")},
    "img512": {
        "xs-0134217": ("0.125", "0.165"),
        "s-2147483": ("0.025", "0.070", "0.085", "0.120", "0.190"),
        "m-0268435": ("0.155", "0.205"),
    },
}  # fmt: skip
"""Further published averages, by data, and by size and thousands of images: their relative lengths. Some guide other networks."""
DDO = "https://huggingface.co/nvidia/DirectDiscriminativeOptimization/resolve/main/"


def _further(base: Preset, name: str, file: str, address: str, *, fine_tuned_by: str = "", note: str = "") -> Preset:
    """Return a preset of other weights for the network of a base. file: its name without the ending."""
    files = (WeightsFile(f"{file}.pkl", f"{address}{file}.pkl"), *(file for file in base.files if file.part))
    return replace(base, name=name, files=files, fine_tuned_by=fine_tuned_by, note=note)


def _guiding() -> Iterator[Preset]:
    for data, snapshots in GUIDING.items():
        for snapshot, lengths in snapshots.items():
            base = PRESETS[f"edm2-{data}-{snapshot.partition('-')[0]}"]
            for length in lengths:
                file = f"edm2-{data}-{snapshot}-{length}"
                # A board takes a name with a dot for a path.
                yield _further(base, file.replace("0.", ""), file, ADDRESS)


def _fine_tuned() -> Iterator[Preset]:
    """Yield the networks that DDO's authors published."""
    for name in ("edm2-img64-s", "edm2-img512-l"):
        note = "licence of the weights: CC BY-NC-SA 4.0"
        yield _further(PRESETS[name], f"{name}-ddo", f"{name}-ddo", DDO, fine_tuned_by="DDO", note=note)


PRESETS: Mapping[str, Preset] = {preset.name: preset for preset in _all()}

FURTHER: Mapping[str, Preset] = {preset.name: preset for preset in (*_guiding(), *_fine_tuned())}

TINY = Preset(
    "edm2-tiny-8",
    "edm2-unet",
    EDM2Config(model_channels=8, channel_mult=(1, 2), attn_resolutions=(4,), channels_per_head=16, logvar_channels=32),
    DataSpec((1, 8, 8), 0, "images"),
    45_315,
)
"""For smoke runs and the digits board: a step on 128 images of 8×8 is a tenth of a second on one CPU thread."""
