"""The suite of each installed component: which checks it gets, and on which models. No test file is needed.

`harness check` and `pytest --pyargs harness.testing.conformance` run these suites.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import EntryPoint

import pydantic

from harness.components import (
    KINDS,
    Component,
    Dataset,
    Executor,
    Extractor,
    Method,
    Metric,
    Model,
    Sampler,
    Tracker,
)
from harness.config import Config
from harness.errors import Faults, PluginFault, UserError, faults_of, nearest, unknown
from harness.inner_components import sampler_needs
from harness.interfaces import Batch, DataSpec
from harness.plugins import Registry, registry
from harness.testing.checks import Check
from harness.testing.configs import check_top_module_is_light, component_checks
from harness.testing.datasets import dataset_checks
from harness.testing.executors import executor_checks
from harness.testing.extractors import extractor_checks
from harness.testing.listeners import listener_checks
from harness.testing.methods import Bench, method_checks
from harness.testing.metrics import metric_checks
from harness.testing.models import build, buildable_spec, model_checks
from harness.testing.presets import check_layout, check_preset
from harness.testing.probes import examples
from harness.testing.reports import Subject
from harness.testing.samplers import sampler_checks
from harness.testing.task import InMemoryTask
from harness.testing.trackers import tracker_checks
from harness.validation import SettingFault, setting_faults

STEPS = 11  # two generator phases of SFT-PG and one step more; uneven rounds where a method has rounds
"""Steps of a method on the first of its models. A run is stopped after every step there: the state is the method's own."""
FEW_STEPS = 6  # one generator phase of SFT-PG and one step more
"""Steps on its other models, where a run is stopped once."""
WHERE = "check"


class WrongSettings(Faults):
    """Settings that the caller gave are none of the component, or out of range."""


class NotChecked(Exception):
    """A component, or the rest of its suite, cannot be checked here. The text says why, and what would change that."""


@dataclass(frozen=True)
class Case:
    """A check and what it is tried on: `on ddpm-mlp`; "" where the component stands alone."""

    check: Check
    on: str = ""


def subjects(installed: Registry) -> list[Subject]:
    """Return everything that is installed, works and has a suite: plugins, their components, presets and listeners."""
    found = [(kind, name, provided.plugin) for kind in KINDS for name, provided in installed.all(kind).items()]
    for name, preset in installed.presets.items():
        model = installed.find("model", preset.model)
        found.append(("preset", name, model.plugin if model is not None else ""))
    listeners = [("listener", plugin, plugin) for plugin in installed.listeners()]
    plugins = [("plugin", plugin, plugin) for plugin in installed.plugins]
    return [
        Subject(kind, name, plugin, distribution_of(installed.entry(plugin)))
        for kind, name, plugin in plugins + found + listeners
    ]


def distribution_of(entry: EntryPoint | None) -> str:
    """Return the name and the version of the distribution of an entry point; "" where there is none."""
    return "" if entry is None or entry.dist is None else f"{entry.dist.name} {entry.dist.version}"


def suite(subject: Subject, settings: Mapping[str, object] | None = None) -> Iterator[Case]:
    """Yield the checks of a subject in their order.

    Args:
        settings: settings of the component, in the place of those of a smoke run.
    Raises: NotChecked where the rest cannot be checked on this machine; UserError for a name that is not installed;
        WrongSettings; whatever the component raises where it is built.
    """
    if subject.kind in KINDS:
        yield from _component_suite(subject, dict(settings or {}))
    elif settings:
        raise WrongSettings([f"{WHERE}: {subject.title} has no settings"])
    elif subject.kind == "preset":
        preset = registry().preset(subject.name, where=WHERE)
        model = registry().get(Model, preset.model, where=WHERE)
        yield Case(partial(check_preset, preset, model))
    else:
        entry = registry().entry(subject.plugin)
        if entry is None:
            raise unknown("plugin", subject.plugin, registry().plugins, where=WHERE, given="installed")
        is_listener = subject.kind == "listener"
        yield from map(Case, listener_checks(entry.module) if is_listener else [partial(check_top_module_is_light, entry.module)])


def _component_suite(subject: Subject, settings: Mapping[str, object]) -> Iterator[Case]:
    component = registry().get(KINDS[subject.kind], subject.name, where=WHERE)
    yield from map(Case, component_checks(component))
    with _not_checked_where_absent():
        component.check_packages()
    config = _config(component, settings)
    with _not_checked_where_absent():
        component.check_readiness(config)
    yield from SUITES[subject.kind](component, config)


@contextmanager
def _not_checked_where_absent() -> Iterator[None]:
    """Turn a UserError of the block, which says what the user must bring, into NotChecked."""
    try:
        yield
    except PluginFault:
        raise
    except UserError as error:
        raise NotChecked("; ".join(faults_of(error))) from error


def _config(component: Component, settings: Mapping[str, object]) -> Config:
    """Return the settings to check with: small ones, as a smoke run has, and what the caller gives.

    Raises: NotChecked where settings without a default are not given; WrongSettings.
    """
    given = {**component.smoke, **settings}
    try:
        return component.config.model_validate(given)
    except pydantic.ValidationError as error:
        faults = setting_faults(error, given, component.config)
        missing = [fault.key for fault in faults if fault.kind == "missing"]
        if len(missing) == len(faults):
            named = " ".join(f"--set {component.name}.{name}=…" for name in missing)
            raise NotChecked(f"its settings {', '.join(missing)} have no default; give them: {named}") from None
        if not settings:
            raise  # its own smoke settings, which a check has named
        raise WrongSettings(f"--set {component.name}.{_in_words(fault, component)}" for fault in faults) from None


def _in_words(fault: SettingFault, component: Component) -> str:
    if fault.kind != "extra_forbidden":
        return str(fault)
    fields = component.config.model_fields
    return f"{fault.key}: no setting has this name; {nearest(fault.key, fields)}there are: {', '.join(fields) or 'none'}"


def _method_suite(component: Method, config: Config) -> Iterator[Case]:
    models = _models_with(component.needs)
    if not models:
        raise NotChecked(f"no installed model provides all that it needs: {', '.join(sorted(component.needs))}")
    for index, model in enumerate(models):
        spec = spec_for(component.needs, model)
        steps, stops = (FEW_STEPS, (FEW_STEPS // 2,)) if index else (STEPS, None)
        bench = Bench(component, config, partial(tiny_task, model, spec, steps), Batch(*examples(spec, n=64)))
        for check in method_checks(bench, stops=stops):
            yield Case(check, f"on {model.name}")


def _sampler_suite(component: Sampler, config: Config) -> Iterator[Case]:
    models = _models_with(sampler_needs(component, config))
    if not models:
        raise NotChecked(f"no installed model provides all that it needs: {', '.join(sorted(sampler_needs(component, config)))}")
    for model in models:
        spec = spec_for(component.needs, model)
        network = build(model, model.config(**model.smoke), spec)
        for check in sampler_checks(component, network, spec, config=config):
            yield Case(check, f"on {model.name}")


def _model_suite(component: Model, config: Config) -> Iterator[Case]:
    yield from map(Case, model_checks(component, config=config))
    if component.layout:
        yield Case(partial(check_layout, component, config=config))


def _metric_suite(component: Metric, config: Config) -> Iterator[Case]:
    yield from map(Case, metric_checks(component, config=config))


def _dataset_suite(component: Dataset, config: Config) -> Iterator[Case]:
    yield from map(Case, dataset_checks(component, config=config))


def _extractor_suite(component: Extractor, config: Config) -> Iterator[Case]:
    for channels, on in ((1, "on grey images"), (3, "on colour images")):
        for check in extractor_checks(component, config=config, shape=(channels, 32, 32)):
            yield Case(check, on)


def _executor_suite(component: Executor, config: Config) -> Iterator[Case]:
    yield from map(Case, executor_checks(component, config=config, survives_death=False))


def _tracker_suite(component: Tracker, config: Config) -> Iterator[Case]:
    if component.packages and config == component.config(**component.smoke):
        advice = f"give settings that do not, such as --set {component.name}.mode=offline"
        raise NotChecked(f"with its own settings it may write to a server or an account; {advice}")
    yield from map(Case, tracker_checks(component, config=config))


SUITES: Mapping[str, Callable[..., Iterator[Case]]] = {
    "method": _method_suite,
    "sampler": _sampler_suite,
    "model": _model_suite,
    "metric": _metric_suite,
    "dataset": _dataset_suite,
    "extractor": _extractor_suite,
    "executor": _executor_suite,
    "tracker": _tracker_suite,
}
"""What follows the checks of any component, by its kind; called with the component and its settings."""


def _models_with(needs: Collection[str]) -> list[Model]:
    """Return the installed models that provide these capabilities, and can be built here."""
    models = [registry().get(Model, name, where=WHERE) for name in registry().names("model")]
    return [model for model in models if set(needs) <= model.provides and not _lacks_packages(model)]


def _lacks_packages(component: Component) -> bool:
    try:
        component.check_packages()
    except UserError:
        return True
    return False


def spec_for(needs: Collection[str], model: Model) -> DataSpec:
    """Return the data that a model is tried on; a Gaussian chain need not take labels, and is then tried without."""
    spec = buildable_spec(model, model.config(**model.smoke))
    return dataclasses.replace(spec, classes=0) if "Transitions" in needs else spec


def tiny_task(model: Model, spec: DataSpec, steps: int) -> InMemoryTask:
    """Return a task on this model, with weights from a fixed seed and its native sampler."""
    sampler = registry().get(Sampler, model.sampler, where=WHERE)
    draws = sampler.create(sampler.config(**sampler.smoke))
    return InMemoryTask(build(model, model.config(**model.smoke), spec), spec, draws, steps=steps, batch=8)
