"""Parts of boards for tests of single stages: datasets, samplers and metrics whose numbers can be worked out by hand.

Counters of calls stand at the classes, because the stages build the objects; `forget()` sets them back.
"""

from __future__ import annotations

import torch

from harness import Dataset, Method, Metric, NoConfig, Sampler
from harness.board.components import Resolved
from harness.interfaces import Batch, DataSource, DataSpec
from harness.stages import base as base_stage
from harness.store import outputs
from harness.store.files import set_aside
from harness.store.manifests import MANIFEST, write_manifest
from harness.streams import stream
from harness.training.method import FinetuneMethod
from harness.weights import state_dicts


def resolved(component, **fields):
    """What a board would hold of a component with default settings."""
    return Resolved(component, NoConfig(), "test", "1/1", **fields)


class Noise(DataSource):
    """Random grey images; draw d is from the stream of seed d."""

    fingerprint = "noise-1"
    built = drawn = trained = 0

    def __init__(self, config=None):
        type(self).built += 1
        self.spec = DataSpec((1, 8, 8), preview="images")

    def train(self):
        type(self).trained += 1
        return Batch(torch.rand(100, 1, 8, 8, generator=stream(0, "training noise")) * 2 - 1)

    def evaluation(self, draw, n):
        type(self).drawn += 1
        return Batch(torch.rand(n, 1, 8, 8, generator=stream(draw, "noise")) * 2 - 1)


class MeanGap:
    """Compares mean features; says beside how many images it saw."""

    def __init__(self, config=None):
        pass

    def __call__(self, generated, real, generator):
        gap = abs(generated.moments().mean - real.moments().mean).sum()
        return {"gap": float(gap), "images": float(len(generated))}


class Shift:
    """Compares means of the samples themselves; says beside a number out of the metric's generator."""

    def __init__(self, config=None):
        pass

    def __call__(self, generated, real, generator):
        shift = float(generated.x.mean() - real.x.mean())
        return {"shift": shift, "random": float(torch.rand((), generator=generator))}


class Prepared:
    """A sampler of points that adds, to noise from each stream, the mean of the training data that it measured on the base.

    Drawing calls the network once a sample; preparing calls the network on five training examples.
    """

    needs_preparation = True
    prepared = 0

    def __init__(self, config=None):
        self.mean = None

    def prepare(self, model, spec, train, generator):
        type(self).prepared += 1
        assert not model.training
        assert not any(parameter.requires_grad for parameter in model.parameters())
        call(model, train.x[:5])
        return {"mean": train.x.mean(0), "random": torch.rand(1, generator=generator)}

    def use(self, prepared):
        self.mean = prepared["mean"]

    def __call__(self, model, spec, streams, labels):
        noise = streams.normal(*spec.shape)
        call(model, noise)
        return noise + self.mean


class Unprepared(Prepared):
    """Has settings that need no preparation."""

    needs_preparation = False

    def __init__(self, config=None):
        self.mean = 0.0


class Beside(Prepared):
    """Also calls the networks of other bases, in preparing and in drawing."""

    def __init__(self, config=None):
        super().__init__(config)
        self.networks = {}

    def take_networks(self, networks):
        assert not self.networks, "networks are taken once"
        self.networks = dict(networks)

    def prepare(self, model, spec, train, generator):
        for network in self.networks.values():
            call(network, train.x[:5])
        return super().prepare(model, spec, train, generator)

    def __call__(self, model, spec, streams, labels):
        for network in self.networks.values():
            call(network, streams.normal(*spec.shape))
        return super().__call__(model, spec, streams, labels)


class Exploding(Unprepared):
    """Gives samples a million times too large."""

    def __call__(self, model, spec, streams, labels):
        return 1e6 * super().__call__(model, spec, streams, labels)


class Drifting(FinetuneMethod):
    """Moves the weights by an extra network of one random number at each step."""

    def __init__(self, config, task):
        super().__init__(config, task)
        self.extra = torch.nn.Parameter(torch.rand(1))

    def step(self, batch, generator, index):
        with torch.no_grad():
            next(self.task.model.parameters()).add_(1e-3 * self.extra)
        return {"extra": self.extra.detach()[0]}


def call(model, x):
    """Send examples through a network for points that predicts noise."""
    with torch.no_grad():
        return model.predict_noise(x, 0, None)


def forget():
    """Set all counters back."""
    Noise.built = Noise.drawn = Noise.trained = Prepared.prepared = Beside.prepared = Unprepared.prepared = 0


NOISE = resolved(Dataset("noise", build="stage_parts:Noise", summary=""))
GAP = Metric("gap", build="stage_parts:MeanGap", summary="", needs_features=frozenset({"moments"}))
DRIFTING = resolved(Method("drifting", build="stage_parts:Drifting", summary=""))
SHIFT = Metric("shift", build="stage_parts:Shift", summary="")


def sampler(cls, **fields):
    """One of the samplers above, as a board would hold it."""
    return resolved(Sampler(cls.__name__.lower(), build=f"stage_parts:{cls.__name__}", summary=""), **fields)


def make_base_anew(base, context, *, add):
    """Set a base aside, and put one with other weights in its place, as edited code would make it."""
    old = outputs.find(context.runs, "base", base.key)
    weights = {name: value + add for name, value in state_dicts.load(old.folder / base_stage.WEIGHTS).items()}
    set_aside(old.folder, "replaced")

    def make(folder):
        state_dicts.save(weights, folder / base_stage.WEIGHTS)
        return {**old.facts, "weights_sha256": state_dicts.sha256(weights)}

    outputs.once(context.runs, "base", base.key, make)


def without_facts(output, *names):
    """Write the manifest of an output as a version without these facts would have written it."""
    (output.folder / MANIFEST).unlink()
    facts = {name: value for name, value in output.facts.items() if name not in names}
    write_manifest(output.folder, {"stage": output.stage, "key": output.folder.name, "facts": facts})
