"""The metrics, the extractor and their settings that a command line names, looked up and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from pydantic import ValidationError

from harness.board.components import Resolved
from harness.board.reading.yaml_file import parse_value
from harness.components import FEATURE_NEEDS, Component, Extractor, Metric
from harness.errors import Faults, UserError, nearest, noted
from harness.plugins import registry
from harness.validation import SettingFault, setting_faults

ComponentT = TypeVar("ComponentT", bound=Component)

Settings = Mapping[str, Mapping[str, object]]
"""Values of settings by the name of a component and the name of the setting."""


def resolve(kind: type[ComponentT], name: str, settings: Mapping[str, object], *, where: str) -> Resolved[ComponentT]:
    """Look a component up by name and check its settings.

    Raises: UserError, beginning with `where`, for an unknown name; Faults for every setting that is wrong.
    """
    component = registry().get(kind, name, where=where)
    provided = registry().provided(kind.kind, name, where=where)
    try:
        checked = component.config.model_validate(dict(settings))
    except ValidationError as error:
        # Settings of other kinds than these stand beside the name, in a mapping.
        place = f"--set {name}." if kind in (Metric, Extractor) else f"{where}: {component.title}: "
        faults = setting_faults(error, settings, component.config)
        raise Faults(f"{place}{_message(fault, component)}" for fault in faults) from None
    return Resolved(component, checked, provided.plugin, provided.version)


def _message(fault: SettingFault, component: Component) -> str:
    if fault.kind != "extra_forbidden":
        return str(fault)
    fields = component.config.model_fields
    return (
        f"{fault.key}: no setting is called {fault.key!r}; {nearest(fault.key, fields)}there are: {', '.join(fields) or 'none'}"
    )


def parse_settings(texts: Sequence[str], *, where: str) -> Settings:
    """Read texts `NAME.KEY=VALUE`; a value is written as in YAML. Raises: UserError for another form, or a key given twice."""
    settings: dict[str, dict[str, object]] = {}
    for text in texts:
        key, equals_sign, value = text.partition("=")
        name, dot, setting = key.partition(".")
        if not (equals_sign and dot and name and setting):
            raise UserError(f"{where} {text}: write NAME.KEY=VALUE, e.g. kid.subset_size=500")
        if setting in settings.get(name, {}):
            raise UserError(f"{where} {text}: {key} is given twice; give it once")
        settings.setdefault(name, {})[setting] = parse_value(value, where=f"{where} {text}")
    return settings


def parse_names(texts: Sequence[str]) -> list[str]:
    """Read texts such as `fid,kid`: names with commas or spaces between them. Returns: each name once, in their order."""
    return list(dict.fromkeys(name for text in texts for name in text.replace(",", " ").split()))


def choose(
    metrics: Sequence[str], extractor: str, settings: Settings
) -> tuple[tuple[Resolved[Metric], ...], Resolved[Extractor]]:
    """Look metrics of images up, and an extractor whose weights are here.

    Raises: UserError for a wrong extractor; Faults for all that is wrong with metrics and settings at once: unknown names or
    settings, settings of components that are not named, metrics that compare no features or need features that the extractor
    does not give; UserError for absent weights.
    """
    network = resolve(Extractor, extractor, settings.get(extractor, {}), where="--extractor")
    chosen = _resolve_metrics(metrics, network, settings)
    check_weights(network)
    return chosen, network


def _resolve_metrics(names: Sequence[str], extractor: Resolved[Extractor], settings: Settings) -> tuple[Resolved[Metric], ...]:
    faults: list[str] = []
    metrics = []
    for name in names:
        with noted(faults):
            metrics.append(_resolve_metric(name, extractor, settings.get(name, {})))
    named = [*names, extractor.name]
    unused = sorted(set(settings) - set(named))
    faults += [f"--set {name}: not among the metrics and the extractor: {', '.join(named)}" for name in unused]
    if faults:
        raise Faults(faults)
    return tuple(metrics)


def _resolve_metric(name: str, extractor: Resolved[Extractor], settings: Mapping[str, object]) -> Resolved[Metric]:
    plain, bracket, _ = name.partition("[")
    if bracket:
        raise UserError(f"--metrics: {name}: write {plain}, and its extractor as --extractor NAME; one at a time")
    metric = resolve(Metric, name, settings, where="--metrics")
    needs = metric.component.needs_features
    if not needs:
        raise UserError(f"--metrics: {name} compares points and not images; metrics of images: {', '.join(metrics_of_images())}")
    outputs = extractor.component.outputs
    lacking = sorted({FEATURE_NEEDS[need] for need in needs} - set(outputs))
    if lacking:
        raise UserError(f"--metrics: {name} needs {', '.join(lacking)}, and {extractor.name} gives {', '.join(outputs)}")
    return metric


def metrics_of_images() -> list[str]:
    """Names of all installed metrics that compare features of images."""
    components = [provided.component for provided in registry().all(Metric.kind).values()]
    return [component.name for component in components if isinstance(component, Metric) and component.needs_features]


def check_weights(extractor: Resolved[Extractor]) -> None:
    """Check that the extractor's weights are here.

    Raises: UserError when the weights are absent; the message names the extractors whose weights are here.
    """
    try:
        extractor.component.check_readiness(extractor.settings)
    except UserError as error:
        ready = ", ".join(_extractors_with_weights())
        raise UserError(f"{error}. Extractors that need no file: {ready} (other numbers, another name)") from error


def _extractors_with_weights() -> list[str]:
    components = [provided.component for provided in registry().all(Extractor.kind).values()]
    return [component.name for component in components if isinstance(component, Extractor) and _has_weights(component)]


def _has_weights(extractor: Extractor) -> bool:
    try:
        extractor.check_readiness(extractor.config())
    except (UserError, ValidationError):
        return False
    return True
