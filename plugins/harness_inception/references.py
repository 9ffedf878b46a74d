"""Statistics of real images that papers measure with, at the addresses that their authors print.

The files are published without a hash. Until somebody pins one, records and pages say which file was read.
Sources: README and fid.py of NVlabs/edm; README of NVlabs/edm2; README of openai/guided-diffusion, evaluations.
"""

from __future__ import annotations

from harness.presets import WeightsFile
from harness.references import Reference

NVIDIA = "https://nvlabs-fi-cdn.nvidia.com"
OPENAI = "https://openaipublic.blob.core.windows.net/diffusion/jul-2021/ref_batches/imagenet"
IMAGENET = 1_281_167
"""Images of ImageNet's training set."""


def _edm(name: str, stem: str, images: int, of: str, side: int) -> Reference:
    file = WeightsFile(f"{stem}.npz", f"{NVIDIA}/edm/fid-refs/{stem}.npz")
    return Reference(f"edm-{name}", file, images, of, (3, side, side), ("inception-nvidia",))


def _edm2(name: str, side: int) -> Reference:
    """Return a reference of EDM2, whose pickle holds statistics of Inception (`fid`) and of DINOv2 (`fd_dinov2`)."""
    # Under its own name in the cache, img64.pkl would say little.
    file = WeightsFile(f"edm2-ref-img{side}.pkl", f"{NVIDIA}/edm2/dataset-refs/img{side}.pkl")
    of = f"ImageNet's training set at {side}×{side}, as EDM2 resizes it"
    return Reference(f"edm2-{name}", file, IMAGENET, of, (3, side, side), ("inception-nvidia", "dinov2"))


def _adm(side: int, stem: str) -> Reference:
    """Return a reference of ADM: statistics of the whole training set, for FID and sFID."""
    of = f"ImageNet's training set at {side}×{side}, as ADM resizes it"
    file = WeightsFile(f"{stem}.npz", f"{OPENAI}/{side}/{stem}.npz")
    needs = frozenset({"moments", "spatial"})
    return Reference(f"adm-imagenet{side}", file, IMAGENET, of, (3, side, side), ("inception",), needs)


REFERENCES = (
    _edm("cifar10", "cifar10-32x32", 50_000, "CIFAR-10's training set", 32),
    _edm("imagenet64", "imagenet-64x64", IMAGENET, "ImageNet's training set at 64×64, as EDM resizes it", 64),
    _edm(
        "imagenet64-baseline", "imagenet-64x64-baseline", IMAGENET, "ImageNet's training set at 64×64, for EDM's ADM baseline", 64
    ),
    _edm2("imagenet64", 64),
    _edm2("imagenet512", 512),
    _adm(256, "VIRTUAL_imagenet256_labeled"),
    _adm(512, "VIRTUAL_imagenet512"),
)
