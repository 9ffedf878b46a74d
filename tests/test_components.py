"""Components build what their kind promises, and their checks have one form."""

import dataclasses
import subprocess
import sys

import pytest
import torch

from harness import Config, Dataset, Executor, Extractor, Method, Metric, Model, NoConfig, Sampler, UserError
from harness.components import KINDS, MethodUsage, MetricUsage, ModelUsage
from harness.interfaces import Batch, DataSource, DataSpec, FeatureExtractor
from harness.presets import WeightsFile
from harness.streams import SampleStreams
from harness.training.method import FinetuneMethod

POINTS = DataSpec((2,))


class Width(Config):
    width: int = 3


class Line(DataSource):
    """Points on a line."""

    spec = POINTS
    fingerprint = "line"

    def __init__(self, config):
        self.config = config

    def train(self):
        return Batch(torch.zeros(4, 2))

    def evaluation(self, draw, n):
        return Batch(torch.full((n, 2), float(draw)))


class Lies:
    """Has nothing of what a component must build."""

    def __init__(self, *arguments):
        self.arguments = arguments


class Still(FinetuneMethod):
    def step(self, batch, generator, index):
        return {}


class Means(torch.nn.Module, FeatureExtractor):
    preprocessing, weights_sha256, outputs = "none", "0" * 64, {"features": 3}

    def __init__(self, config):
        super().__init__()

    def forward(self, images):
        return {"features": images.float().mean((2, 3))}


def linear(config, spec):
    return torch.nn.Linear(spec.shape[0], config.width)


def sample(config):
    def zeros(model, spec, streams, labels):
        return torch.zeros(len(streams), *spec.shape)

    return zeros


def gap(config):
    def difference(generated, real, generator):
        return {"gap": float(generated.x.mean() - real.x.mean())}

    return difference


class Serial:
    def __init__(self, config):
        pass

    def run(self, ready, *, slots):
        while ready([]) is not None:
            pass


def target(name):
    return f"{__name__}:{name}"


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    """Targets are looked up in sys.modules by the name of this file."""
    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or sys.modules[Line.__module__])


def test_each_kind_builds_its_object_from_its_settings():
    network = Model("net", build=target("linear"), config=Width, sampler="s", provides=frozenset(), summary="something").create(
        Width(), POINTS
    )
    assert network.weight.shape == (3, 2)
    data = Dataset("line", build=target("Line"), config=Width, summary="something").create(Width(width=5))
    assert isinstance(data, Line)
    assert data.config.width == 5
    assert data.largest_evaluation is None  # the Protocol's default
    draw = Sampler("zeros", build=target("sample"), summary="something").create(NoConfig())
    assert draw(network, POINTS, SampleStreams(0, "test", range(6)), None).shape == (6, 2)
    values = Metric("gap", build=target("gap"), summary="something").create(NoConfig())
    assert values(data.evaluation(2, 5), data.evaluation(0, 5), torch.Generator()) == {"gap": 2.0}
    features = Extractor("means", build=target("Means"), outputs={"features": 3}, summary="something").create(NoConfig())
    assert features.images_on_cpu is None
    assert features(torch.full((2, 3, 4, 4), 7, dtype=torch.uint8))["features"].tolist() == [[7.0] * 3] * 2
    assert isinstance(Method("still", build=target("Still"), summary="something").create(NoConfig(), None), Still)  # type: ignore[arg-type]
    assert isinstance(Executor("serial", build=target("Serial"), summary="something").create(NoConfig()), Serial)


@pytest.mark.parametrize(
    ("kind", "extra", "arguments", "message"),
    [
        (Model, {"sampler": "s", "provides": frozenset()}, (POINTS,), "must give a torch.nn.modules.module.Module"),
        (Method, {}, (None,), "without load_state_dict, result, state_dict, step; "),
        (Sampler, {}, (), "without __call__; it must give a harness.interfaces.SampleFunction"),
        (Metric, {}, (), "without __call__; it must give a harness.interfaces.MetricFunction"),
        (Dataset, {}, (), "without evaluation, fingerprint, largest_evaluation, spec, train; "),
        (
            Extractor,
            {"outputs": {"features": 3}},
            (),
            "without __call__, images_on_cpu, outputs, preprocessing, weights_sha256; ",
        ),
        (Executor, {}, (), "without run; it must give a harness.jobs.JobExecutor"),
    ],
)
def test_what_builds_something_else_is_one_message_with_component_target_and_missing_members(kind, extra, arguments, message):
    component = kind("odd", build=target("Lies"), **extra, summary="something")
    with pytest.raises(UserError, match=rf"^{component.kind} odd: \S+:Lies gave a Lies") as caught:
        component.create(NoConfig(), *arguments)
    assert message in str(caught.value)


def refuse(config, usage):
    raise UserError(f"not with {usage}")


def refuse_to_start(config):
    raise UserError(f"no file for {config}")


def files_of(config):
    return [WeightsFile(f"w{config.width}.pt")]


def spec_of(config):
    return POINTS


def test_a_check_is_called_with_settings_and_usage_and_an_empty_one_passes():
    model = Model("net", build="a:b", sampler="s", provides=frozenset(), summary="something")
    metric = Metric("gap", build="a:b", summary="something")
    method = Method("still", build="a:b", summary="something")
    model.check_usage(NoConfig(), ModelUsage(POINTS))
    metric.check_usage(NoConfig(), MetricUsage(10))
    method.check_usage(NoConfig(), MethodUsage(model, POINTS))
    with pytest.raises(UserError, match=r"^not with ModelUsage"):
        dataclasses.replace(model, check=target("refuse")).check_usage(NoConfig(), ModelUsage(POINTS))
    with pytest.raises(UserError, match=r"^not with MetricUsage"):
        dataclasses.replace(metric, check=target("refuse")).check_usage(NoConfig(), MetricUsage(10))
    with pytest.raises(UserError, match=r"^not with MethodUsage"):
        dataclasses.replace(method, check=target("refuse")).check_usage(NoConfig(), MethodUsage(model, POINTS))


@pytest.mark.parametrize("kind", [Sampler, Metric, Dataset, Executor, Method])
def test_every_kind_may_say_what_must_be_there_before_work(kind):
    component = kind("odd", build="a:b", summary="something")
    component.check_readiness(NoConfig())
    with pytest.raises(UserError, match=r"^no file for"):
        dataclasses.replace(component, check_ready=target("refuse_to_start")).check_readiness(NoConfig())


def test_needed_files_and_the_spec_are_asked_of_their_targets():
    dataset = Dataset("line", build="a:b", config=Width, summary="something")
    assert dataset.known_spec(Width()) is None
    assert list(dataset.needed_files(Width())) == []
    told = dataclasses.replace(dataset, spec=target("spec_of"), files=target("files_of"))
    assert told.known_spec(Width()) == POINTS
    assert [file.name for file in told.needed_files(Width(width=9))] == ["w9.pt"]


def test_an_absent_package_is_named_with_its_component():
    metric = Metric("gap", build="a:b", packages={"no_such_package_anywhere": "pip install it"}, summary="something")
    with pytest.raises(UserError, match=r"^metric gap: needs no_such_package_anywhere, which is not installed; pip install it$"):
        metric.check_packages()


def test_a_metric_of_unknown_features_is_a_fault_of_its_plugin():
    with pytest.raises(
        ValueError, match=r"^metric gap: no features are called pixels; there are moments, features, logits, spatial$"
    ):
        Metric("gap", build="a:b", needs_features=frozenset({"pixels"}), summary="something")


def test_what_a_metric_needs_of_real_images_is_what_it_needs_unless_it_says_less():
    metric = Metric("gap", build="a:b", needs_features=frozenset({"logits"}), summary="something")
    assert metric.real_needs == {"logits"}
    assert dataclasses.replace(metric, needs_reference=frozenset()).real_needs == frozenset()


def test_kinds_are_listed_by_their_names():
    assert {name: kind.kind for name, kind in KINDS.items()} == {name: name for name in KINDS}
    assert set(KINDS) == {"model", "method", "metric", "extractor", "dataset", "sampler", "executor", "tracker"}


def test_importing_components_costs_no_torch():
    modules = "harness, harness.components, harness.hookspecs, harness.presets, harness.inner_components, harness.interfaces"
    code = f"import sys, {modules}; print('torch' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "False\n"
