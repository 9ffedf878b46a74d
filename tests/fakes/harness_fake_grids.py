"""A plugin for tests of boards of images: components with checks, presets, and settings that name bases. Nothing here is run."""

from __future__ import annotations

from pydantic import Field

from harness import Config, Dataset, Extractor, Method, Metric, Model, Sampler, hookimpl
from harness.errors import UserError
from harness.inner_components import BaseName
from harness.interfaces import DataSpec
from harness.presets import Preset, WeightsFile
from harness.references import Reference

__version__ = "1"
NOTHING = "harness_fake_grids:x"


class GridConfig(Config):
    size: int = Field(8, description="height and width")
    classes: int = Field(0, description="number of labels")


class BroughtConfig(GridConfig):
    made_up: bool = Field(False, description="whether the images are noise")


class UnetConfig(Config):
    width: int = Field(16, ge=1, description="channels")
    levels: int = Field(2, description="halvings of the image")


class GuidedConfig(Config):
    guide: BaseName = Field("small", description="a base whose network the sampler calls")


class TwiceGuidedConfig(GuidedConfig):
    other: BaseName = Field("net", description="another base whose network the sampler calls")


def grid_spec(config):
    return DataSpec((1, config.size, config.size), config.classes, preview="images")


def is_noise(config):
    return config.made_up


def halved(config):
    return {"width": config.width // 2}


def check_unet(config, usage):
    if usage.data.shape[-1] % 2**config.levels:
        raise UserError(f"{config.levels} levels do not divide {usage.data.shape[-1]}")


def check_labels(config, usage):
    if usage.data.classes == 0:
        raise UserError(f"the data of {usage.model.name} have no labels")


def check_gap(config, usage):
    if usage.images < 50:
        raise UserError(f"gap needs 50 images, and there are {usage.images}")


@hookimpl
def harness_datasets():
    target = "harness_fake_grids:grid_spec"
    return [
        Dataset("grid", build=NOTHING, summary="", config=GridConfig, spec=target),
        Dataset(
            "brought", build=NOTHING, summary="", config=BroughtConfig, spec=target, smoke={"made_up": True},
            made_up=is_noise,
        ),
    ]  # fmt: skip


@hookimpl
def harness_models():
    provides = frozenset({"Trains", "TrainsInParts", "Likelihood"})
    return [
        Model(
            "unet", build=NOTHING, summary="", config=UnetConfig, smoke={"width": 2}, provides=provides, sampler="ascent",
            check="harness_fake_grids:check_unet",
        ),
        Model("unet-halving", build=NOTHING, summary="", config=UnetConfig, shrink=halved, provides=provides, sampler="ascent"),
        Model("coarse", build=NOTHING, summary="", provides=frozenset({"Trains"}), sampler="draw"),
    ]  # fmt: skip


@hookimpl
def harness_methods():
    trains = frozenset({"Trains"})
    return [
        Method("parts", build=NOTHING, summary="", needs=trains, from_scratch=True, accumulates=True),
        Method("labelled", build=NOTHING, summary="", needs=trains, check="harness_fake_grids:check_labels"),
        Method("steps", build=NOTHING, summary="", needs=frozenset({"Transitions"}), from_scratch=True),
    ]


@hookimpl
def harness_samplers():
    likelihood = frozenset({"Likelihood"})
    return [
        Sampler("ascent", build=NOTHING, summary="", needs=likelihood),
        Sampler("guided", build=NOTHING, summary="", config=GuidedConfig, needs=likelihood),
        Sampler("twice-guided", build=NOTHING, summary="", config=TwiceGuidedConfig, needs=likelihood),
    ]


@hookimpl
def harness_metrics():
    return [
        Metric("gap", build=NOTHING, summary="", needs_features=frozenset({"moments"}), check="harness_fake_grids:check_gap"),
        Metric("rows", build=NOTHING, summary="", needs_features=frozenset({"moments", "features"})),
        Metric("rank", build=NOTHING, summary="", needs_features=frozenset({"features"}), needs_reference=frozenset({"moments"})),
        Metric("alone", build=NOTHING, summary="", needs_features=frozenset({"features"}), needs_reference=frozenset()),
        Metric("blur", build=NOTHING, summary="", needs_features=frozenset({"spatial"})),
    ]


@hookimpl
def harness_extractors():
    return [
        Extractor("edges", build=NOTHING, summary="", outputs={"features": 4}),
        Extractor("corners", build=NOTHING, summary="", outputs={"features": 4, "spatial": 3}),
        Extractor("published", build=NOTHING, summary="", outputs={"features": 2048, "spatial": 3}, check_ready=NOTHING),
    ]


WHOLE = WeightsFile("unet.safetensors", "https://example.org/unet", "a" * 64)
TOKENIZER = WeightsFile("tokenizer.safetensors", part="tokenizer")


@hookimpl
def harness_presets():
    spec = DataSpec((1, 8, 8), preview="images")
    return [
        Preset("unet-8", model="unet", config=UnetConfig(width=32), spec=spec, parameters=100, files=(WHOLE, TOKENIZER)),
        Preset("unet-secret", model="unet", config=UnetConfig(), spec=spec, parameters=100),
    ]


@hookimpl
def harness_references():
    def made(name, shape, *extractors):
        file = WeightsFile(f"{name}.npz", f"https://example.org/{name}.npz")
        return Reference(name, file, 5_000, "grids", shape, extractors)

    return [
        made("grids-8", (1, 8, 8), "edges", "corners"),
        made("grids-16", (1, 16, 16), "edges"),
        made("faces", (1, 8, 8), "cnn"),
    ]
