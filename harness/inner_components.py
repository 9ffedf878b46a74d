"""Settings that name other components: a sampler inside a sampler, and bases whose networks a sampler calls.

The names are looked up while the settings are checked, before anything runs. The keys of results hold the named components.
Importing this module costs no torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, get_args

from pydantic import Field, PrivateAttr, ValidationError, ValidationInfo, WithJsonSchema, model_validator
from pydantic.fields import FieldInfo

from harness.components import Sampler
from harness.config import Config
from harness.errors import UserError
from harness.interfaces import SampleFunction
from harness.paths import Context, boards_of, reread_context
from harness.validation import first_fault


class _Base:
    """Marks a string as the name of a base."""


BaseName = Annotated[str, _Base()]
"""The name of a base of the same board."""


class InnerSampler(Config):
    """A setting that names a sampler, with that sampler's settings beside the name: `{name: heun, steps: 32}`, or just `heun`."""

    name: str = Field(description="name of an installed sampler")
    settings: dict[str, Any] = Field({}, description="settings of that sampler, defaults filled in")
    version: str = Field("", description="version of its plugin; filled in")

    _boards: str = PrivateAttr("")
    """Where relative paths in the settings begin: see `harness.paths.BoardPath`."""

    def model_post_init(self, context: object) -> None:
        """Keep where relative paths begin, for later readings of the settings."""
        self._boards = boards_of(context)

    @model_validator(mode="before")
    @classmethod
    def _looked_up(cls, value: object, info: ValidationInfo) -> object:
        if isinstance(value, InnerSampler):
            return value
        given: dict[str, Any] = {"name": value} if isinstance(value, str) else {}
        if isinstance(value, dict):
            given = dict(value)
        if not isinstance(given.get("name"), str):
            raise ValueError("expected the name of a sampler, or a mapping with a name")
        if set(given) == set(cls.model_fields):  # the form that records hold
            given = {"name": given["name"], **dict(given["settings"])}
        return cls._resolved(str(given.pop("name")), given, info.context)

    @classmethod
    def _resolved(cls, name: str, settings: dict[str, Any], context: object) -> dict[str, object]:
        from harness.plugins import registry

        try:
            provided = registry().provided("sampler", name, where="sampler")
            checked = provided.component.config.model_validate(settings, context=context)
        except UserError as error:
            raise ValueError(str(error)) from None
        except ValidationError as error:
            raise ValueError(f"sampler {name}: {first_fault(error, settings)}") from None
        return {"name": name, "settings": checked.model_dump(mode="json"), "version": provided.version}

    @property
    def component(self) -> Sampler:
        """The sampler component that `name` names."""
        from harness.plugins import registry

        return registry().get(Sampler, self.name, where="sampler")

    @property
    def config(self) -> Config:
        """The settings of that sampler, checked."""
        return self.component.config.model_validate(self.settings, context=self.context)

    @property
    def context(self) -> Context:
        """Where relative paths in `settings` begin, as a context of pydantic's validation."""
        return reread_context(self._boards)

    def create(self) -> SampleFunction:
        """Build the sampler."""
        return self.component.create(self.config)


SamplerSetting = Annotated[
    InnerSampler,
    WithJsonSchema({"type": "sampler, as anywhere in a board"}, mode="validation"),
]


def inner_samplers(settings: Config) -> Iterator[InnerSampler]:
    """Yield every sampler that the settings name, and, recursively, every sampler that the settings of such a sampler name."""
    for _, value in settings:
        if isinstance(value, InnerSampler):
            yield value
            yield from inner_samplers(value.config)


def base_names(settings: Config) -> Iterator[tuple[str, str]]:
    """Yield (setting, base) for each base that the settings, or the settings of inner samplers, name."""
    for field, info in type(settings).model_fields.items():
        value = getattr(settings, field)
        if value is not None and _names_a_base(info):
            yield field, str(value)
        if isinstance(value, InnerSampler):
            yield from base_names(value.config)


def _names_a_base(field: FieldInfo) -> bool:
    """Return whether a field's type is `BaseName` or `BaseName | None`. Pydantic keeps the latter's mark in the annotation."""
    inside = [mark for part in get_args(field.annotation) for mark in getattr(part, "__metadata__", ())]
    return any(isinstance(mark, _Base) for mark in (*field.metadata, *inside))


def sampler_needs(component: Sampler, settings: Config) -> frozenset[str]:
    """Return the capabilities that a sampler with these settings needs. The needs of inner samplers count."""
    return component.needs.union(*(inner.component.needs for inner in inner_samplers(settings)))


def with_smoke_samplers(settings: Config) -> Config:
    """Return the settings with the replacements of `--smoke` in the inner samplers."""
    inner = {field: value for field, value in settings if isinstance(value, InnerSampler)}
    changed = {
        field: InnerSampler.model_validate(
            {"name": value.name, **value.settings, **value.component.smoke_settings(value.config)}, context=value.context
        )
        for field, value in inner.items()
    }
    return settings.model_copy(update=changed) if changed else settings
