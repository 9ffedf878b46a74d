"""What trains, samples and extracts has deterministic kernels on cards: nothing calls an operation that has none there.

Cards are not needed: the operations that torch dispatches are noted on the CPU.
"""

import dataclasses

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from harness import UserError, card_kernels
from harness.components import Extractor, Method, Model, Sampler
from harness.inner_components import sampler_needs
from harness.interfaces import Batch
from harness.plugins import registry
from harness.streams import stream
from harness.testing import extractors
from harness.testing.methods import Bench
from harness.testing.models import build, buildable_spec
from harness.testing.probes import examples
from harness.testing.samplers import draw, prepare
from harness.testing.suites import spec_for, tiny_task
from harness.training.augmentation import changed, draw_changes

WITHOUT = {
    "_adaptive_avg_pool2d_backward", "_adaptive_avg_pool3d_backward", "adaptive_max_pool2d_backward", "avg_pool3d_backward",
    "max_pool3d_with_indices_backward", "upsample_linear1d_backward", "upsample_bicubic2d_backward",
    "upsample_trilinear3d_backward", "_upsample_bicubic2d_aa_backward", "_upsample_bilinear2d_aa_backward",
    "reflection_pad1d_backward", "reflection_pad2d_backward", "reflection_pad3d_backward", "replication_pad1d_backward",
    "replication_pad2d_backward", "replication_pad3d_backward", "nll_loss2d_forward", "nll_loss2d_backward",
    "grid_sampler_2d_backward", "grid_sampler_3d_backward", "put", "put_", "histc", "kthvalue", "median", "_ctc_loss_backward",
    "cumsum", "scatter_reduce",
}  # fmt: skip
"""Operations that raise on a card where deterministic kernels are asked for: the list in the documentation of
`torch.use_deterministic_algorithms`. Of whole numbers `cumsum` is deterministic."""


@pytest.fixture(autouse=True)
def as_on_a_card(monkeypatch):
    """What is written with other operations on a card is so here."""
    monkeypatch.setattr(card_kernels, "is_needed", lambda _: True)


class Noting(TorchDispatchMode):
    """Notes the operations that have no deterministic kernel on a card."""

    def __init__(self):
        super().__init__()
        self.found = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        if name in WITHOUT and not (name == "cumsum" and not args[0].is_floating_point()):
            self.found.add(name)
        return func(*args, **(kwargs or {}))


def all_of(kind, name):
    return [registry().get(kind, each, where="test") for each in registry().names(name)]


METHODS, MODELS, SAMPLERS = all_of(Method, "method"), all_of(Model, "model"), all_of(Sampler, "sampler")


@pytest.mark.parametrize(
    ("method", "model"),
    [(a, b) for a in METHODS for b in MODELS if a.trains and a.needs <= b.provides],
    ids=lambda part: part.name,
)
def test_a_step_of_a_method_is_deterministic_on_a_card(method, model):
    spec = spec_for(method.needs, model)
    settings = {**method.smoke, **({"bank_size": 8} if "bank_size" in method.config.model_fields else {})}
    bench = Bench(method, method.config.model_validate(settings), lambda: tiny_task(model, spec, 4), Batch(*examples(spec, n=64)))
    built = bench.build(bench.task())
    with Noting() as noting:
        bench.take(built, 0, 1)
    assert not noting.found


@pytest.mark.parametrize(
    ("sampler", "model"),
    [(a, b) for a in SAMPLERS for b in MODELS if sampler_needs(a, a.config()) <= b.provides],
    ids=lambda part: part.name,
)
def test_a_sampler_is_deterministic_on_a_card(sampler, model):
    spec = buildable_spec(model, model.config(**model.smoke))
    if "Transitions" in sampler.needs:
        spec = dataclasses.replace(spec, classes=0)
    network = build(model, model.config(**model.smoke), spec)
    function = sampler.create(sampler.config.model_validate(sampler.smoke))
    with Noting() as noting:
        prepare(function, network, spec)
        with torch.no_grad():
            draw(function, network, spec, range(2))
    assert not noting.found


@pytest.mark.parametrize("extractor", all_of(Extractor, "extractor"), ids=lambda part: part.name)
def test_an_extractor_is_deterministic_on_a_card(extractor):
    try:
        built = extractors.create(extractor, extractor.config.model_validate(extractor.smoke))
    except UserError as error:
        pytest.skip(f"its weights are not on this machine: {error}")
    with Noting() as noting:
        built(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))
    assert not noting.found


def test_images_are_augmented_with_deterministic_kernels():
    with Noting() as noting:
        changed(torch.rand(40, 3, 8, 8), draw_changes(40, 0.5, stream(0, "changes")))
    assert noting.found == set()
