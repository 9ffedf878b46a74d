"""What a command line names: metrics, an extractor and datasets, with their settings, all checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import yaml
from pydantic import ValidationError

from harness.board.components import Resolved
from harness.components import FEATURE_NEEDS, Component, Extractor, Metric
from harness.errors import Faults, UserError, nearest
from harness.plugins import registry

Settings = Mapping[str, Mapping[str, object]]
C = TypeVar("C", bound=Component)


def resolved(kind: type[C], name: str, settings: Mapping[str, object], *, where: str) -> Resolved[C]:
    """A component by name. Raises: UserError with the nearest name, or naming the setting that is wrong."""
    provided = registry().provided(kind.kind, name, where=where)
    component = registry().get(kind, name, where=where)
    schema = component.config
    try:
        checked = schema.model_validate(dict(settings))
    except ValidationError as error:
        raise Faults(_told(fault, schema.model_fields, f"{where}: {kind.kind} {name}") for fault in error.errors()) from None
    return Resolved(component, checked, provided.plugin, provided.version)


def _told(fault: Mapping[str, object], fields: Mapping[str, object], where: str) -> str:
    location = fault["loc"]
    key = ".".join(map(str, location)) if isinstance(location, tuple) else str(location)
    if fault["type"] == "extra_forbidden":
        return f"{where}: no setting is called {key!r}; {nearest(key, fields)}there are: {', '.join(fields) or 'none'}"
    return f"{where}: {key}: {fault['msg']}"


def settings_of(texts: Sequence[str], *, where: str) -> Settings:
    """`NAME.KEY=VALUE`, the value as in YAML, by name. Raises: UserError for another form."""
    found: dict[str, dict[str, object]] = {}
    for text in texts:
        key, is_given, value = text.partition("=")
        name, dot, setting = key.partition(".")
        if not (is_given and dot and name and setting):
            raise UserError(f"{where} {text}: write NAME.KEY=VALUE, e.g. kid.subset_size=500")
        if setting in found.get(name, {}):
            raise UserError(f"{where} {text}: {key} is given twice; give it once")
        try:
            found.setdefault(name, {})[setting] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise UserError(f"{where} {text}: {value!r} is no YAML value") from error
    return found


def chosen(
    metrics: str, extractor: str, settings: Settings, *, none_is_fine: bool = False
) -> tuple[tuple[Resolved[Metric], ...], Resolved[Extractor]]:
    """The metrics of a list `fid,kid`, and the extractor, whose weights are there.

    Args:
        none_is_fine: where only statistics are to be written.
    Raises: Faults or UserError for unknown names or settings, a metric that compares no features or other ones than the
    extractor gives, and absent weights.
    """
    names = list(dict.fromkeys(metrics.replace(",", " ").split()))
    if not names and not none_is_fine:
        raise UserError("--metrics: name at least one, e.g. fid,kid")
    network = resolved(Extractor, extractor, settings.get(extractor, {}), where="--extractor")
    faults, found = [], []
    for name in names:
        try:
            found.append(_metric(name, network, settings.get(name, {})))
        except UserError as error:
            faults.append(str(error))
    unused = sorted(set(settings) - {*names, extractor})
    faults += [f"--set {name}: not among the metrics and the extractor: {', '.join([*names, extractor])}" for name in unused]
    if faults:
        raise Faults(faults)
    check_weights(network)
    return tuple(found), network


def _metric(name: str, extractor: Resolved[Extractor], settings: Mapping[str, object]) -> Resolved[Metric]:
    plain, bracket, _ = name.partition("[")
    if bracket:
        raise UserError(f"--metrics: {name}: write {plain}, and its extractor as --extractor NAME; one at a time")
    metric = resolved(Metric, name, settings, where="--metrics")
    if not metric.component.needs_features:
        known = [key for key, one in registry().all("metric").items() if _needs_features(one.component)]
        raise UserError(f"--metrics: {name} compares points and not images; metrics of images: {', '.join(known)}")
    lacking = sorted({FEATURE_NEEDS[need] for need in metric.component.needs_features} - set(extractor.component.outputs))
    if lacking:
        given = ", ".join(extractor.component.outputs)
        raise UserError(f"--metrics: {name} needs {', '.join(lacking)}, and {extractor.name} gives {given}")
    return metric


def _needs_features(component: object) -> bool:
    return isinstance(component, Metric) and bool(component.needs_features)


def check_weights(extractor: Resolved[Extractor]) -> None:
    """Raises: UserError when the extractor's weights are absent, with the extractors whose weights are here."""
    try:
        extractor.component.check_readiness(extractor.settings)
    except UserError as error:
        raise UserError(f"{error}. Extractors that need no file: {', '.join(_ready())} (other numbers, another name)") from error


def _ready() -> list[str]:
    ready = []
    for name, one in registry().all("extractor").items():
        assert isinstance(one.component, Extractor)
        try:
            one.component.check_readiness(one.component.config())
        except (UserError, ValidationError):
            continue
        ready.append(name)
    return ready
