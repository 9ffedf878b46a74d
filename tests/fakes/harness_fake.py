"""A plugin for tests of boards and reports: components that can be named, and a dataset of points."""

from __future__ import annotations

from pydantic import Field

from harness import Config, Dataset, Method, Metric, Model, Sampler, hookimpl

__version__ = "1"


class NetConfig(Config):
    width: int = Field(8, ge=1, description="hidden units")


class PushConfig(Config):
    weight: float = Field(1.0, ge=0, description="strength of guidance")


class TuneConfig(Config):
    rate: float = Field(0.1, gt=0, le=1, description="step size")


@hookimpl
def harness_models():
    return [
        Model(
            "net",
            build="harness_fake:x",
            summary="",
            config=NetConfig,
            sampler="draw",
            provides=frozenset({"Trains", "Likelihood"}),
        ),
        Model("chain", build="harness_fake:x", summary="", provides=frozenset({"Trains", "Transitions"}), sampler="draw"),
    ]


@hookimpl
def harness_methods():
    return [
        Method("none", build="harness_fake:x", summary="", trains=False),
        Method("fit", build="harness_fake:x", summary="", needs=frozenset({"Trains"}), from_scratch=True),
        Method("tune", build="harness_fake:x", summary="", config=TuneConfig, needs=frozenset({"Likelihood"})),
    ]


@hookimpl
def harness_samplers():
    return [
        Sampler("draw", build="harness_fake:x", summary=""),
        Sampler("push", build="harness_fake:x", summary="", config=PushConfig),
        Sampler("walk", build="harness_fake:x", summary="", needs=frozenset({"Transitions"})),
    ]


@hookimpl
def harness_metrics():
    return [
        Metric("distance", build="harness_fake:x", summary="", lowest=0.0),
        Metric("likeness", build="harness_fake:x", summary="", higher_is_better=True, highest=1.0),
    ]


@hookimpl
def harness_datasets():
    return [Dataset("ring", build="harness_fake:Ring", summary="")]


class Ring:
    """Points on a circle."""

    fingerprint = "ring-1"
    largest_evaluation = None

    def __init__(self, config):
        from harness.interfaces import DataSpec

        self.spec = DataSpec(shape=(2,))

    def train(self):
        return self.evaluation(0, 100)

    def evaluation(self, draw, n):
        import torch

        from harness.interfaces import Batch

        angle = torch.linspace(0, 6.28, n) + draw
        return Batch(torch.stack([angle.cos(), angle.sin()], 1))
