"""Typed settings: unknown keys are faults, values are frozen, ranges are checked once, at the start."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Config(BaseModel):
    """Base of every settings class, of the core's and of plugins'.

    Give each field a type, a range and a description: `Field(1.0, gt=0, description="…, in …")`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, protected_namespaces=())


class NoConfig(Config):
    """For components without settings."""
